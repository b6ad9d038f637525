import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { apiService, apiSlice, list, ScriptedApi } from '../../support/api-server.js'
import { makeFolder } from '../../support/manifests.js'
import { background } from '../../support/background.js'
import { run } from '../../support/run.js'

const PLAY = fileURLToPath(new URL('../../../examples/demo/play.mjs', import.meta.url))

it('the demo keeps its shop open for who looks at the page from outside, until it is interrupted', { timeout: 120_000 }, async () => {
  const demo = background('setsid', ['--wait', process.execPath, PLAY, '--stay'])
  await demo.waitFor('The shop stays open', 90_000)
  // As many as its client made.
  const counted = demo.output().matchAll(/service="default\/(api|cache|dns):\w+"} (\d+)/g)
  expect(Object.fromEntries(Array.from(counted, ([, service, count]) => [service, Number(count)]))).toEqual({
    api: 3400,
    cache: 200,
    dns: 400
  })
  const [, url] = /the page is at (http:\S+)/.exec(demo.output())!
  expect(await (await fetch(url!)).text()).toMatch(/^<!doctype html>/i)
  const countOf = async (): Promise<number> => {
    const { rows } = (await (await fetch(`${url}/services?from=0&count=50&find=api`)).json()) as { rows: { connections: number }[] }
    return rows[0]!.connections
  }
  const before = await countOf()
  await expect.poll(countOf, { timeout: 20_000 }).toBeGreaterThan(before)
  // As a terminal does it: all processes of the group are told.
  process.kill(-demo.pid, 'SIGINT')
  await demo.ended
  expect(demo.output()).toMatch(/no table is left[^]*Done in/)
})

it('the demo on a cluster reads its API from here, and writes into a network namespace of its own', { timeout: 120_000 }, async () => {
  const api = await ScriptedApi.start()
  api.script('list Service', list('Service', '10', [apiService('a', 3)]))
  api.script('list EndpointSlice', list('EndpointSlice', '10', [apiSlice('a', 4, '10.1.0.1')]))
  const kubeconfig = join(await makeFolder(), 'config')
  const config = {
    clusters: [{ name: 'a', cluster: { server: api.url } }],
    contexts: [{ name: 'a', context: { cluster: 'a', user: 'a' } }],
    users: [{ name: 'a', user: {} }],
    'current-context': 'a'
  }
  await writeFile(kubeconfig, JSON.stringify(config))
  const demo = background('setsid', ['--wait', process.execPath, PLAY, '--kubeconfig', kubeconfig])
  await demo.waitFor('Services: 1 added', 60_000)
  const [, url] = /The page: (http:[^;]+);/.exec(demo.output())!
  const { rows } = (await (await fetch(`${url}/services?from=0&count=50`)).json()) as { rows: { name: string }[] }
  expect(rows.map(({ name }) => name)).toEqual(['shop/a:80'])
  expect(await run('nft', ['list', 'tables'])).toBe('')
  process.kill(-demo.pid, 'SIGINT')
  expect(await demo.ended).toEqual({ status: 0, signal: null })
})
