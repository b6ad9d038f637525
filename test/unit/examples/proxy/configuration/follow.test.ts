import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pino } from 'pino'
import { expect, it, onTestFinished, vi } from 'vitest'
import { readCommand } from '../../../../../examples/proxy/configuration/command.js'
import { ConfigurationFollower, type RunningProxy, type Start } from '../../../../../examples/proxy/configuration/follow.js'
import type { ProxyOptions } from '../../../../../examples/proxy/options.js'
import { makeFolder } from '../../../../support/manifests.js'

const HEAD = 'apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n'

/** A follower whose proxies only say what is done to them. @param how `handsOver`: whether planes go from mode to mode; `opensFirst`: what is refused is refused after the hand-over. */
async function makeFollower(
  refused: string[] = [],
  how: { readonly handsOver?: boolean; readonly opensFirst?: boolean; readonly changesTo?: string } = {}
): Promise<{
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
  const makeProxy = (mode: string): RunningProxy => ({
    synced: Promise.resolve(),
    mayHandOver: ({ plane }) => how.handsOver === true && plane.mode !== mode,
    refuse: (error) => void done.push(`${mode}: ${error?.message ?? 'all is well'}`),
    stop: (asked) => {
      done.push(`stop ${mode}${asked === undefined ? '' : ', rules stay'}`)
      return stopProxy()
    }
  })
  const start: Start<RunningProxy> = ({ plane: { mode } }, { opened, outdated: old, predecessor, isFirst }) => {
    // Only the first start may wait: all others are the end of something that served.
    expect(isFirst).toBe(outdated.length === 0)
    done.push(`start ${mode}${predecessor === undefined ? '' : ', goes on'}`)
    outdated.push(old)
    const proxy = makeProxy(mode)
    if (how.opensFirst === true) opened(proxy)
    if (refused.includes(mode)) return Promise.reject(new Error('the kernel refuses'))
    opened(proxy)
    return Promise.resolve(proxy)
  }
  const cleanUp = ({ plane }: ProxyOptions): Promise<void> => Promise.resolve(void done.push(`clean ${plane.mode}`))
  const follower = new ConfigurationFollower(read(), { read, start, cleanUp }, pino({ level: 'silent' }))
  if (how.changesTo !== undefined) await configure(how.changesTo)
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
  expect(done).toEqual(['start nftables', 'nftables: all is well'])
  await configure('mode: iptables\n')
  const changed = ['start nftables', 'nftables: all is well', 'stop nftables, rules stay', 'start iptables', 'clean nftables']
  await vi.waitFor(() => expect(done).toEqual(changed), 3000)
  await configure('mode: iptables\niptables: { masqueradeAll: true }\n')
  await vi.waitFor(() => expect(done).toEqual([...changed, 'stop iptables, rules stay', 'start iptables']), 3000)
  await follower.stop()
  expect(done.at(-1)).toBe('stop iptables')
})

it('follows a change that came before it watched, at once', async () => {
  const { done } = await makeFollower([], { changesTo: 'mode: iptables\n' })
  await vi.waitFor(() => expect(done).toEqual(['start nftables', 'stop nftables, rules stay', 'start iptables', 'clean nftables']), 3000)
})

it('goes back to the last configuration where the kernel refuses the new one', async () => {
  const { done, configure } = await makeFollower(['ipvs'])
  await configure('mode: ipvs\n')
  const back = ['start nftables', 'stop nftables, rules stay', 'start ipvs', 'start nftables', 'nftables: the kernel refuses']
  await vi.waitFor(() => expect(done).toEqual(back), 3000)
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
  const proxy = { synced: stopped, mayHandOver: () => false, refuse: () => undefined, stop: () => Promise.resolve(finish()) }
  const start: Start<RunningProxy> = async (_, { opened }) => {
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

it('lets the plane go on where only the mode changes, and stops nothing', async () => {
  const { follower, done, configure } = await makeFollower([], { handsOver: true })
  await configure('mode: iptables\n')
  await vi.waitFor(() => expect(done).toEqual(['start nftables', 'start iptables, goes on']), 3000)
  await configure('mode: iptables\niptables: { masqueradeAll: true }\n')
  const anew = ['start nftables', 'start iptables, goes on', 'stop iptables, rules stay', 'start iptables']
  await vi.waitFor(() => expect(done).toEqual(anew), 3000)
  await follower.stop()
  expect(done).toEqual([...anew, 'stop iptables'])
})

it('leaves the proxy as it is where its plane cannot go on, until the file asks for what it does', async () => {
  const { done, configure } = await makeFollower(['ipvs'], { handsOver: true })
  await configure('mode: ipvs\n')
  const stays = ['start nftables', 'start ipvs, goes on', 'nftables: the kernel refuses']
  await vi.waitFor(() => expect(done).toEqual(stays), 3000)
  await configure('mode: nftables\n')
  await vi.waitFor(() => expect(done).toEqual([...stays, 'nftables: all is well']), 3000)
})

it('opens the last configuration anew where the proxy fails to which the plane went, and cleans up after it', async () => {
  const { done, configure } = await makeFollower(['ipvs'], { handsOver: true, opensFirst: true })
  await configure('mode: ipvs\n')
  const back = ['start nftables', 'start ipvs, goes on', 'start nftables', 'clean ipvs', 'nftables: the kernel refuses']
  await vi.waitFor(() => expect(done).toEqual(back), 3000)
})

it('ends well when it is stopped while the plane goes on', async () => {
  const file = join(await makeFolder(), 'config.yaml')
  await writeFile(file, HEAD)
  const done: string[] = []
  let signal: AbortSignal | undefined
  const first: RunningProxy = {
    synced: Promise.resolve(),
    mayHandOver: () => true,
    refuse: () => void done.push('refuse'),
    stop: () => Promise.resolve(void done.push('stop'))
  }
  const start: Start<RunningProxy> = async (_, hooks) => {
    if (hooks.predecessor === undefined) {
      hooks.opened(first)
      return first
    }
    signal = hooks.signal
    await new Promise((resolve) => hooks.signal.addEventListener('abort', resolve))
    throw new Error('the proxy was asked to stop')
  }
  const read = (): ReturnType<typeof readCommand> => readCommand(['--config', file, '--manifests', 'm'])
  const follower = new ConfigurationFollower(read(), { read, start, cleanUp: () => Promise.resolve() }, pino({ level: 'silent' }))
  await follower.start(file)
  await writeFile(file, `${HEAD}mode: ipvs\n`)
  await vi.waitFor(() => expect(signal).toBeDefined(), 3000)
  await follower.stop()
  expect(done).toEqual(['stop'])
})

it.each([
  ['ends well', undefined],
  ['tells what went wrong', 'the folder is gone']
])('%s where it is stopped while a start waits', async (_title, message) => {
  const file = join(await makeFolder(), 'config.yaml')
  await writeFile(file, HEAD)
  const start: Start<RunningProxy> = async (_, { signal }) => {
    await new Promise((resolve) => signal.addEventListener('abort', resolve))
    throw message === undefined ? signal.reason : new Error(message)
  }
  const read = (): ReturnType<typeof readCommand> => readCommand(['--config', file, '--manifests', 'm'])
  const follower = new ConfigurationFollower(read(), { read, start, cleanUp: () => Promise.resolve() }, pino({ level: 'silent' }))
  const outcome = follower.start(file).then(
    () => undefined,
    (error: unknown) => (error as Error).message
  )
  await follower.stop()
  expect(await outcome).toBe(message)
})
