import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { expect, it } from 'vitest'
import { readCommand } from '../../../../examples/proxy/configuration/command.js'
import { withLocalSources, type Patience } from '../../../../examples/proxy/local-sources.js'
import type { ProxyOptions } from '../../../../examples/proxy/options.js'
import { list, refusal, ScriptedApi } from '../../../support/api-server.js'
import { makeFolder } from '../../../support/manifests.js'

/** Options by which the Node says who is local. */
async function makeOptions(): Promise<{ readonly api: ScriptedApi; readonly options: ProxyOptions }> {
  const api = await ScriptedApi.start()
  const { options } = readCommand(['--master', api.url, '--hostname-override', 'here', '--detect-local-mode=NodeCIDR'])
  return { api, options }
}

it('takes the prefixes of pods that the Node has', async () => {
  const { api, options } = await makeOptions()
  const node = { metadata: { name: 'here', resourceVersion: '3' }, spec: { podCIDR: '10.244.3.0/24', podCIDRs: ['10.244.3.0/24'] } }
  api.script('list Node', list('Node', '10', [node]))
  const { traffic } = await withLocalSources(options, new AbortController().signal)
  expect(traffic.localSources).toEqual(['10.244.3.0/24'])
})

it('refuses a Node that is not there', async () => {
  const { options } = await makeOptions()
  await expect(withLocalSources(options, new AbortController().signal)).rejects.toThrow('there is no Node here with spec.podCIDRs')
})

it('waits at the first start for a Node that gets its prefixes later, and for a server that comes, but not for ever', async () => {
  const { api, options } = await makeOptions()
  const nodeOf = (spec: object): unknown => ({ metadata: { name: 'here', resourceVersion: '3' }, spec })
  api.script(
    'list Node',
    refusal(500, 'InternalError', 'not yet'),
    list('Node', '10', []),
    list('Node', '11', [nodeOf({})]),
    list('Node', '12', [nodeOf({ podCIDR: '10.244.3.0/24' })])
  )
  const told: string[] = []
  const backoff = { firstMs: 10, maxMs: 20, resetMs: 60_000 }
  const waits = ({ message }: Error): void => void told.push(message)
  const patience = { knownMs: 5000, backoff, waits, unkept: () => expect.fail('nothing is kept') }
  const { signal } = new AbortController()
  const { traffic } = await withLocalSources(options, signal, { ...patience, longestMs: 60_000 })
  expect(traffic.localSources).toEqual(['10.244.3.0/24'])
  const missing = 'detectLocalMode NodeCIDR: there is no Node here with spec.podCIDRs'
  expect(told).toEqual([expect.stringContaining('not yet'), missing, missing])
  await expect(withLocalSources(options, signal, { ...patience, longestMs: 50 })).rejects.toThrow(missing)

  const stop = new AbortController()
  const stopped = withLocalSources(options, stop.signal, { ...patience, longestMs: 60_000, waits: () => stop.abort() })
  await expect(stopped).rejects.toMatchObject({ name: 'AbortError' })

  const wrong = readCommand(['--kubeconfig', '/nowhere', '--detect-local-mode=NodeCIDR']).options
  await expect(withLocalSources(wrong, signal, { ...patience, longestMs: 60_000 })).rejects.toThrow('ENOENT')
  const folder = readCommand(['--manifests', await makeFolder(), '--hostname-override=here', '--detect-local-mode=NodeCIDR']).options
  await expect(withLocalSources(folder, signal, { ...patience, longestMs: 60_000 })).rejects.toThrow(missing)
})

it('does not wait for a server that is silent when it is to stop', async () => {
  const { api, options } = await makeOptions()
  const stop = new AbortController()
  api.script('list Node', () => stop.abort())
  const startedAt = performance.now()
  await expect(withLocalSources(options, stop.signal)).rejects.toMatchObject({ name: 'AbortError' })
  expect(performance.now() - startedAt).toBeLessThan(5000)
  expect(api.asked('list Node')).toHaveLength(1)
  await expect(withLocalSources(options, stop.signal)).rejects.toBe(stop.signal.reason)
})

it('begins with what the Node said before where the server does not answer, if a state is kept', async () => {
  const { api, options: without } = await makeOptions()
  const state = path.join(await makeFolder(), 'state')
  const options = { ...without, state }
  const told: string[] = []
  const unkept: string[] = []
  const patience: Patience = {
    longestMs: 0,
    knownMs: 200,
    backoff: { firstMs: 10, maxMs: 20, resetMs: 60_000 },
    waits: ({ message }) => told.push(message),
    unkept: ({ message }) => unkept.push(message)
  }
  const localSources = async (options: ProxyOptions): Promise<unknown> =>
    (await withLocalSources(options, new AbortController().signal, patience)).traffic.localSources
  const nodeOf = (podCIDR: string): unknown => ({ metadata: { name: 'here', resourceVersion: '3' }, spec: { podCIDR } })

  api.script('list Node', refusal(500, 'InternalError', 'not yet'))
  await expect(localSources(options)).rejects.toThrow('not yet')
  api.script('list Node', list('Node', '11', [nodeOf('10.244.3.0/24')]))
  expect(await localSources(options)).toEqual(['10.244.3.0/24'])
  api.script('list Node', refusal(500, 'InternalError', 'not any more'))
  expect(await localSources(options)).toEqual(['10.244.3.0/24'])
  // One that is silent.
  api.script('list Node', () => undefined)
  expect(await localSources(options)).toEqual(['10.244.3.0/24'])
  expect(told).toHaveLength(2)
  api.script('list Node', list('Node', '12', [nodeOf('10.244.4.0/24')]))
  expect(await localSources(options)).toEqual(['10.244.4.0/24'])
  expect(unkept).toEqual([])

  // Another Node, and a file that is damaged, say nothing.
  api.script('list Node', refusal(500, 'InternalError', 'away'))
  await expect(localSources({ ...options, nodeName: 'there' })).rejects.toThrow('away')
  for (const content of ['', '{', '[]', '{"metadata":1}', '{"kind":"Node","metadata":{"name":"here"},"spec":{"podCIDRs":["x"]}}']) {
    await writeFile(`${state}.node`, content)
    api.script('list Node', refusal(500, 'InternalError', 'away'))
    await expect(localSources(options), content).rejects.toThrow('away')
  }
  api.script('list Node', list('Node', '13', [nodeOf('10.244.5.0/24')]))
  expect(await localSources({ ...options, state: path.join(state, 'below') })).toEqual(['10.244.5.0/24'])
  expect(unkept).toEqual([expect.stringContaining('ENO')])
})
