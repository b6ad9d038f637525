import { describe, expect, it } from 'vitest'
import { NetlinkError } from '../../../../../src/index.js'
import { RouteLocalnet } from '../../../../../src/plane/core/node/route-localnet.js'

/** The setting as a file that may be read-only, with what was written to it. */
function settingOf(value: '0' | '1', isReadOnly = false) {
  const file = { value: value as string, writes: [] as string[] }
  const settings = {
    read: () => Promise.resolve(file.value),
    write: (_: string, written: string) => {
      if (isReadOnly) return Promise.reject(new NetlinkError({ errno: 30, operation: 'plane.sync', subject: 'setting' }))
      file.writes.push(written)
      file.value = written
      return Promise.resolve()
    }
  }
  return { file, setting: new RouteLocalnet(settings) }
}

describe('the setting route_localnet', () => {
  it('that cannot be written is found out before it is needed', async () => {
    await expect(settingOf('0', true).setting.prepare(undefined)).rejects.toMatchObject({ code: 'EROFS' })
  })

  it('that cannot be written, and is on, is used as it is and never written', async () => {
    const { file, setting } = settingOf('1', true)
    await setting.prepare(undefined)
    await setting.switchOn(undefined)
    await setting.putBack(undefined)
    expect([setting.found, file.value]).toEqual([undefined, '1'])
  })

  it('is not switched on before it is asked for, and goes back to what was noted, not to what is found', async () => {
    const { file, setting } = settingOf('0')
    await setting.prepare(undefined)
    expect([file.value, setting.found]).toEqual(['0', 0])
    await setting.switchOn(undefined)
    expect(file.value).toBe('1')
    const next = settingOf('1')
    await next.setting.prepare(0)
    await next.setting.putBack(undefined)
    expect(next.file.writes).toEqual(['0'])
  })

  it('that others have switched off already is not written again when it is put back', async () => {
    const { file, setting } = settingOf('0')
    await setting.putBack(0)
    expect(file.writes).toEqual([])
  })

  it('is looked at again by audits only some time after the last look', async () => {
    const { file, setting } = settingOf('0')
    await setting.switchOn(0)
    file.value = '0'
    await setting.keepOn()
    expect(file.value).toBe('0')
  })
})
