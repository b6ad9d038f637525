import { Nftables } from '../../src/nftables/client.js'
import { FakeNftablesKernel } from '../../src/testing/fake-nftables.js'
import { makeNamespace } from './namespace.js'

interface OpenableKernel {
  readonly kernel: string
  readonly opener: () => Promise<() => Promise<Nftables>>
}

/** The fake and the kernel must answer alike. Each `opener` is an empty namespace, in which it opens any number of clients. */
export const nftablesKernels: readonly OpenableKernel[] = [
  {
    kernel: 'the fake',
    opener: () => {
      const fake = new FakeNftablesKernel()
      return Promise.resolve(() => fake.open())
    }
  },
  {
    kernel: 'the kernel',
    opener: async () => {
      const { path } = await makeNamespace()
      return () => Nftables.open({ netns: path })
    }
  }
]
