import { expect, it } from 'vitest'
import { readCommand } from '../../../../examples/proxy/configuration/command.js'
import { withLocalSources } from '../../../../examples/proxy/local-sources.js'
import type { ProxyOptions } from '../../../../examples/proxy/options.js'
import { list, ScriptedApi } from '../../../support/api-server.js'

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
