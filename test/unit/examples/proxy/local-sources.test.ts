import { expect, it } from 'vitest'
import { readCommand } from '../../../../examples/proxy/configuration/command.js'
import { withLocalSources } from '../../../../examples/proxy/local-sources.js'
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
  const { signal } = new AbortController()
  const { traffic } = await withLocalSources(options, signal, { longestMs: 60_000, backoff, waits })
  expect(traffic.localSources).toEqual(['10.244.3.0/24'])
  const missing = 'detectLocalMode NodeCIDR: there is no Node here with spec.podCIDRs'
  expect(told).toEqual([expect.stringContaining('not yet'), missing, missing])
  await expect(withLocalSources(options, signal, { longestMs: 50, backoff, waits })).rejects.toThrow(missing)

  const stop = new AbortController()
  const stopped = withLocalSources(options, stop.signal, { longestMs: 60_000, backoff, waits: () => stop.abort() })
  await expect(stopped).rejects.toMatchObject({ name: 'AbortError' })

  const wrong = readCommand(['--kubeconfig', '/nowhere', '--detect-local-mode=NodeCIDR']).options
  await expect(withLocalSources(wrong, signal, { longestMs: 60_000, backoff, waits })).rejects.toThrow('ENOENT')
  const folder = readCommand(['--manifests', await makeFolder(), '--hostname-override=here', '--detect-local-mode=NodeCIDR']).options
  await expect(withLocalSources(folder, signal, { longestMs: 60_000, backoff, waits })).rejects.toThrow(missing)
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
