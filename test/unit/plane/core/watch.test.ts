import { describe, expect, it, onTestFinished } from 'vitest'
import type { PlaneEvent, Service } from '../../../../src/index.js'
import { Watch } from '../../../../src/plane/core/watch.js'
import { fakeRig } from '../../../support/plane-rigs.js'
import { until } from '../../../support/run.js'

const rest = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds))

function watch(intervalMs: number, look: () => Promise<void>): Watch {
  const made = new Watch(intervalMs, look)
  onTestFinished(() => made.stop())
  return made
}

describe('a watch', () => {
  it('looks again and again, and never twice at once', async () => {
    let [looks, running] = [0, 0]
    const looking = watch(10, async () => {
      expect(++running).toBe(1)
      looks++
      await rest(5)
      running--
    })
    looking.start()
    looking.start()
    await until('three looks', () => looks >= 3)
    looking.stop()
    const before = looks
    await rest(60)
    expect(looks).toBeLessThanOrEqual(before + 1)
  })

  it('looks less and less often while looks fail, and as often as before once one succeeds', async () => {
    let looks = 0
    const state = { fails: true }
    const looking = watch(10, () => {
      looks++
      return state.fails ? Promise.reject(new Error('refused')) : Promise.resolve()
    })
    looking.start()
    await rest(400)
    expect(looks).toBeLessThan(8)
    expect(looking.pauseMs).toBeGreaterThan(40)
    state.fails = false
    await until('a look that succeeds', () => looking.pauseMs === 10)
  })

  it('says once when repairs follow each other too quickly, and pauses longer from then on', () => {
    const looking = watch(100, () => Promise.resolve())
    const said = Array.from({ length: 8 }, () => looking.repaired(0))
    expect(said).toEqual([undefined, undefined, undefined, undefined, 5, undefined, undefined, undefined])
    expect(looking.pauseMs).toBe(1600)
    for (let more = 0; more < 60; more++) looking.repaired(0)
    expect(looking.pauseMs).toBe(60_000)
  })

  it('looks at once where its sentinel tells of a change, and rarely while that tells of none', async () => {
    let looks = 0
    const armed: number[] = []
    let tell = (): void => undefined
    let closed = 0
    const looking = new Watch(
      20,
      () => {
        looks++
        return Promise.resolve()
      },
      (changed) => {
        tell = changed
        return { arm: (intervalMs) => armed.push(intervalMs), disarm: () => undefined, close: () => closed++ }
      }
    )
    onTestFinished(() => looking.stop())
    looking.start()
    await rest(200)
    expect({ looks, armed }).toEqual({ looks: 0, armed: [20] })
    tell()
    await until('a look', () => looks === 1)
    await until('the sentinel armed again', () => armed.length === 2)
    await until('a look of which nobody told', () => looks === 2)
    looking.stop()
    tell()
    await rest(50)
    expect({ looks, closed }).toEqual({ looks: 2, closed: 1 })
  })

  it('needs no sentinel where it looks rarely, or never', () => {
    for (const intervalMs of [0, 1000]) {
      const looking = new Watch(
        intervalMs,
        () => Promise.resolve(),
        () => expect.fail('a sentinel was made')
      )
      looking.start()
      looking.stop()
    }
  })

  it('does not look at all with an interval of 0', async () => {
    let looks = 0
    const looking = watch(0, () => {
      looks++
      return Promise.resolve()
    })
    looking.start()
    await rest(30)
    expect(looks).toBe(0)
  })
})

it('two planes of one name stop fighting at full speed, and say so', { timeout: 20_000 }, async () => {
  const rig = fakeRig('nftables')
  const service: Service = {
    name: 'web',
    protocol: 'tcp',
    frontends: [{ kind: 'cluster', address: '10.96.0.1', port: 80 }],
    endpoints: [{ address: '10.1.0.1', port: 80 }]
  }
  const planes = [
    await rig.open({ auditMs: 10, localSources: ['10.1.0.0/16'] }),
    await rig.open({ auditMs: 10, localSources: ['10.2.0.0/16'] })
  ]
  const events: PlaneEvent[] = []
  for (const plane of planes) {
    void (async () => {
      for await (const event of plane.watch()) events.push(event)
    })()
    await plane.sync(new Map([['web', service]]))
  }
  await until('a plane says that another one undoes its repairs', () => events.some(({ type }) => type === 'contended'))
  await rest(1000)
  const before = events.filter(({ type }) => type === 'drift').length
  await rest(1000)
  expect(events.filter(({ type }) => type === 'drift').length - before).toBeLessThan(12)
  expect(events.filter(({ type }) => type === 'quarantined')).toEqual([])
})
