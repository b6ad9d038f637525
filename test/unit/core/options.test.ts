import { describe, expect, it } from 'vitest'
import { ValidationError } from '../../../src/core/errors.js'
import { nativeOpenOptions, resolveDeadline, resolveNamespace } from '../../../src/core/options.js'

describe('options', () => {
  it('takes a namespace as a path, a name or a process id', () => {
    expect(resolveNamespace(undefined)).toBeUndefined()
    expect(resolveNamespace('blue')).toBe('/run/netns/blue')
    expect(resolveNamespace('/proc/42/ns/net')).toBe('/proc/42/ns/net')
    expect(resolveNamespace('./here')).toBe('./here')
    expect(resolveNamespace(42)).toBe('/proc/42/ns/net')
  })

  it.each(['', '.', '..', 'a\0b', 0, -1, 1.5, NaN, null, {}])('refuses %j as a namespace', (netns) => {
    expect(() => resolveNamespace(netns)).toThrow(ValidationError)
  })

  it('takes deadlines above 0 and up to a day', () => {
    expect(resolveDeadline(undefined, 7)).toBe(7)
    expect(resolveDeadline(0.5, 7)).toBe(0.5)
    expect(resolveDeadline(86_400_000, 7)).toBe(86_400_000)
    for (const wrong of [0, -1, NaN, Infinity, 86_400_001, '5', null]) expect(() => resolveDeadline(wrong, 7)).toThrow(/^deadlineMs is /)
  })

  it('names the option that is wrong', () => {
    expect(() => nativeOpenOptions({ sendBufferBytes: 4095 })).toThrow(/^sendBufferBytes is 4095; allowed: /)
    expect(() => nativeOpenOptions({ receiveBufferBytes: 2 ** 31 })).toThrow(/^receiveBufferBytes is 2147483648/)
    expect(nativeOpenOptions({ netns: 'x', sendBufferBytes: 4096 })).toEqual({
      netns: '/run/netns/x',
      sendBufferBytes: 4096,
      deadlineMs: 60_000
    })
  })
})
