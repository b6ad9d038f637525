import { expect, it } from 'vitest'
import { IdleMemory, ownUse } from '../../../../examples/proxy/idle-memory.js'

const MIB = 1 << 20

/** A process whose figures a test sets. A collection leaves 40 MiB. */
class FakeProcess {
  resident = 100
  processorMs = 0
  collections = 0
  hasInspector = true
  #now = 0
  readonly #memory = new IdleMemory({
    residentBytes: () => this.resident * MIB,
    processorMs: () => this.processorMs,
    collect: async () => {
      await Promise.resolve()
      if (!this.hasInspector) throw new Error('no inspector')
      this.collections++
      this.processorMs += 300
      this.resident = 40
    }
  })

  /** Ten seconds pass. @param busyMs Processor time that is used meanwhile. */
  async pass(busyMs = 0): Promise<number> {
    this.#now += 10_000
    this.processorMs += busyMs
    await this.#memory.look(this.#now)
    return this.collections
  }
}

it('collects once the process is at rest', async () => {
  const fake = new FakeProcess()
  expect(await fake.pass(5000)).toBe(0)
  expect(await fake.pass(200)).toBe(0)
  expect(await fake.pass(199)).toBe(1)
})

it('collects again where memory has grown since, after five minutes', async () => {
  const fake = new FakeProcess()
  expect(await fake.pass()).toBe(1)
  for (let minute = 0; minute < 60; minute++) expect(await fake.pass()).toBe(1)
  fake.resident = 55
  expect(await fake.pass()).toBe(1)
  fake.resident = 57
  expect(await fake.pass()).toBe(2)
  fake.resident = 90
  for (let look = 1; look < 30; look++) expect(await fake.pass()).toBe(2)
  expect(await fake.pass()).toBe(3)
})

it('says that it cannot', async () => {
  const fake = new FakeProcess()
  fake.hasInspector = false
  await expect(fake.pass()).rejects.toThrow('no inspector')
})

it('gives back what this process has left', async () => {
  const left = new WeakRef({ text: 'x'.repeat(1000) })
  await ownUse.collect()
  expect(left.deref()).toBeUndefined()
  expect(ownUse.residentBytes()).toBeGreaterThan(16 * MIB)
  expect(ownUse.processorMs()).toBeGreaterThan(0)
})
