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
async function makeFollower(refused: string[] = []): Promise<{
  follower: ConfigurationFollower
  file: string
  done: string[]
  configure: (text: string) => Promise<void>
  outdated: (() => void)[]
  failToStop: () => void
}> {
  const file = join(await makeFolder(), 'config.yaml')
  const configure = (text: string): Promise<void> => writeFile(file, HEAD + text)
  await configure('mode: nftables\n')
  const done: string[] = []
  const read = (): ReturnType<typeof readCommand> => readCommand(['--config', file, '--manifests', 'm'])
  const outdated: (() => void)[] = []
  let failsToStop = false
  const stopProxy = (): Promise<void> => {
    const fails = failsToStop
    failsToStop = false
    return fails ? Promise.reject(new Error('the kernel refuses')) : Promise.resolve()
  }
  const start = ({ plane: { mode } }: ProxyOptions, opened: (proxy: RunningProxy) => void, old: () => void): Promise<RunningProxy> => {
    done.push(`start ${mode}`)
    outdated.push(old)
    if (refused.includes(mode)) return Promise.reject(new Error('the kernel refuses'))
    const proxy = {
      synced: Promise.resolve(),
      stop: (how?: { cleanup: boolean }) => {
        done.push(`stop ${mode}${how === undefined ? '' : ', rules stay'}`)
        return stopProxy()
      }
    }
    opened(proxy)
    return Promise.resolve(proxy)
  }
  const cleanUp = ({ plane }: ProxyOptions): Promise<void> => Promise.resolve(void done.push(`clean ${plane.mode}`))
  const follower = new ConfigurationFollower(read(), { read, start, cleanUp }, pino({ level: 'silent' }))
  await follower.start(file)
  onTestFinished(() => follower.stop())
  return { follower, file, done, configure, outdated, failToStop: () => void (failsToStop = true) }
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

it('opens the plane anew when the proxy says that its node has changed, once, and not for a proxy that is gone', async () => {
  const { follower, done, outdated } = await makeFollower()
  outdated[0]!()
  const anew = ['start nftables', 'stop nftables, rules stay', 'start nftables']
  await vi.waitFor(() => expect(done).toEqual(anew), 3000)
  outdated[0]!()
  await new Promise((resolve) => setTimeout(resolve, 50))
  expect(done).toEqual(anew)
  outdated[1]!()
  await vi.waitFor(() => expect(done).toEqual([...anew, 'stop nftables, rules stay', 'start nftables']), 3000)
  await follower.stop()
  outdated[2]!()
  await new Promise((resolve) => setTimeout(resolve, 50))
  expect(done).toHaveLength(6)
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

it('comes back where the proxy cannot be opened anew at first, as an API server may be away', async () => {
  const refused: string[] = []
  const { done, outdated } = await makeFollower(refused)
  refused.push('nftables')
  outdated[0]!()
  const failed = ['start nftables', 'stop nftables, rules stay', 'start nftables', 'start nftables']
  await vi.waitFor(() => expect(done).toEqual(failed), 3000)
  refused.pop()
  await vi.waitFor(() => expect(done).toEqual([...failed, 'start nftables']), 3000)
})

it('comes back with the last configuration where the file is not valid any more when no proxy runs', async () => {
  const refused: string[] = ['ipvs']
  const { done, configure } = await makeFollower(refused)
  refused.push('nftables')
  await configure('mode: ipvs\n')
  await vi.waitFor(() => expect(done).toContain('start ipvs'), 3000)
  await configure('mode: fast\n')
  refused.length = 0
  await vi.waitFor(() => expect(done.slice(-2)).toEqual(['start nftables', 'start nftables']), 4000)
})

it('comes back where the proxy could not be stopped well', async () => {
  const { done, configure, failToStop } = await makeFollower()
  failToStop()
  await configure('mode: ipvs\n')
  await vi.waitFor(() => expect(done).toContain('start ipvs'), 4000)
})
