import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { background } from '../../support/run.js'

const PLAY = fileURLToPath(new URL('../../../examples/demo/play.mjs', import.meta.url))

it('the demo keeps its shop open for who looks at the page from outside, until it is interrupted', { timeout: 120_000 }, async () => {
  const demo = background('setsid', ['--wait', process.execPath, PLAY, '--stay'])
  await demo.waitFor('The shop stays open', 90_000)
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
