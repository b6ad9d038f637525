import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pino } from 'pino'
import { expect, it, onTestFinished, vi } from 'vitest'
import { readCommand } from '../../../../../examples/proxy/configuration/command.js'
import { ConfigurationFollower, type RunningProxy } from '../../../../../examples/proxy/configuration/follow.js'
import type { ProxyOptions } from '../../../../../examples/proxy/options.js'
import { makeFolder } from '../../../../support/manifests.js'

const HEAD = 'apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n'

/** A follower whose proxies only say what is done to them. */
async function makeFollower(
  refused: string[] = []
): Promise<{ follower: ConfigurationFollower; file: string; done: string[]; configure: (text: string) => Promise<void> }> {
  const file = join(await makeFolder(), 'config.yaml')
  const configure = (text: string): Promise<void> => writeFile(file, HEAD + text)
  await configure('mode: nftables\n')
  const done: string[] = []
  const read = (): ReturnType<typeof readCommand> => readCommand(['--config', file, '--manifests', 'm'])
  const start = ({ plane: { mode } }: ProxyOptions, opened: (proxy: RunningProxy) => void): Promise<RunningProxy> => {
    done.push(`start ${mode}`)
    if (refused.includes(mode)) return Promise.reject(new Error('the kernel refuses'))
    const proxy = {
      synced: Promise.resolve(),
      stop: (how?: { cleanup: boolean }) => Promise.resolve(void done.push(`stop ${mode}${how === undefined ? '' : ', rules stay'}`))
    }
    opened(proxy)
    return Promise.resolve(proxy)
  }
  const cleanUp = ({ plane }: ProxyOptions): Promise<void> => Promise.resolve(void done.push(`clean ${plane.mode}`))
  const follower = new ConfigurationFollower(read(), { read, start, cleanUp }, pino({ level: 'silent' }))
  await follower.start(file)
  onTestFinished(() => follower.stop())
  return { follower, file, done, configure }
}

it('opens the plane anew after a valid change, and then removes what the mode before has', async () => {
  const { follower, done, configure } = await makeFollower()
  await configure('mode: fast\n')
  await new Promise((resolve) => setTimeout(resolve, 300))
  await configure('mode: nftables\n# nothing else\n')
  await new Promise((resolve) => setTimeout(resolve, 300))
  expect(done).toEqual(['start nftables'])
  await configure('mode: iptables\n')
  const changed = ['start nftables', 'stop nftables, rules stay', 'start iptables', 'clean nftables']
  await vi.waitFor(() => expect(done).toEqual(changed), 3000)
  await configure('mode: iptables\niptables: { masqueradeAll: true }\n')
  await vi.waitFor(() => expect(done).toEqual([...changed, 'stop iptables, rules stay', 'start iptables']), 3000)
  await follower.stop()
  expect(done.at(-1)).toBe('stop iptables')
})

it('goes back to the last configuration where the kernel refuses the new one', async () => {
  const { done, configure } = await makeFollower(['ipvs'])
  await configure('mode: ipvs\n')
  await vi.waitFor(() => expect(done).toEqual(['start nftables', 'stop nftables, rules stay', 'start ipvs', 'start nftables']), 3000)
})

it('stops a proxy that still starts', async () => {
  const file = join(await makeFolder(), 'config.yaml')
  await writeFile(file, HEAD)
  let finish = (): void => undefined
  const stopped = new Promise<void>((resolve) => (finish = resolve))
  const proxy = { synced: stopped, stop: () => Promise.resolve(finish()) }
  const start = async (_: ProxyOptions, opened: (proxy: RunningProxy) => void): Promise<RunningProxy> => {
    opened(proxy)
    await stopped
    return proxy
  }
  const read = (): ReturnType<typeof readCommand> => readCommand(['--config', file, '--manifests', 'm'])
  const follower = new ConfigurationFollower(read(), { read, start, cleanUp: () => Promise.resolve() }, pino({ level: 'silent' }))
  const starting = follower.start(file)
  await follower.stop()
  await starting
  expect(process.getActiveResourcesInfo()).not.toContain('FSEventWrap')
})
