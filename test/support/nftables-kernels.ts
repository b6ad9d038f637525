import { Nftables } from '../../src/nftables/client.js'
import { FakeNftablesKernel } from '../../src/testing/nftables/kernel.js'
import { makeNamespace } from './namespace.js'

/** The fake and the kernel must answer alike. Each `opener` is an empty namespace, in which it opens any number of clients. */
export const nftablesKernels: readonly {
  readonly kernel: string
  readonly opener: () => Promise<() => Promise<Nftables>>
}[] = [
  {
    kernel: 'the fake',
    opener: (): Promise<() => Promise<Nftables>> => {
      const fake = new FakeNftablesKernel()
      return Promise.resolve(() => fake.open())
    }
  },
  {
    kernel: 'the kernel',
    opener: async (): Promise<() => Promise<Nftables>> => {
      const { path } = await makeNamespace()
      return () => Nftables.open({ netns: path })
    }
  }
]
