import { describe, expect, it, vi } from 'vitest'
import { errnoName } from '../../../src/core/errno.js'
import {
  ClosedError,
  NetlinkError,
  NetplaneError,
  printable,
  TransactionError,
  UnsupportedError,
  ValidationError
} from '../../../src/core/errors.js'

const refused = { errno: 17, operation: 'nftables.commit', subject: 'table ip app' } as const

describe('errors', () => {
  it.each<[error: Error, name: string, code: string]>([
    [new NetplaneError('ERR_NETPLANE_BUSY', 'x'), 'NetplaneError', 'ERR_NETPLANE_BUSY'],
    [new ValidationError('a.b', 1, 'more'), 'ValidationError', 'ERR_NETPLANE_VALIDATION'],
    [new NetlinkError(refused), 'NetlinkError', 'EEXIST'],
    [new UnsupportedError('nf_tables', 'x'), 'UnsupportedError', 'ERR_NETPLANE_UNSUPPORTED'],
    [new TransactionError('x', { applied: [], undone: [], unknown: [] }, []), 'TransactionError', 'ERR_NETPLANE_TRANSACTION'],
    [new ClosedError('the client'), 'ClosedError', 'ERR_NETPLANE_CLOSED']
  ])('have a name and a code: %s', (error, name, code) => {
    expect(error).toBeInstanceOf(Error)
    expect(error).toBeInstanceOf(NetplaneError)
    expect(error).toMatchObject({ name, code })
    expect(error.stack).toContain('errors.test')
  })

  it('are told apart', () => {
    const error: unknown = new NetlinkError(refused)
    expect(error instanceof UnsupportedError).toBe(false)
    expect(error instanceof ValidationError).toBe(false)
    expect(new ValidationError('a', 1, 'b')).toBeInstanceOf(TypeError)
    for (const other of [undefined, null, 'EEXIST', new Error('x'), { code: 'EEXIST' }]) expect(other instanceof NetplaneError).toBe(false)
  })

  it('are recognised across two copies of the package', async () => {
    vi.resetModules()
    const copy = await import('../../../src/core/errors.js')
    expect(copy.NetlinkError).not.toBe(NetlinkError)
    expect(new copy.NetlinkError(refused)).toBeInstanceOf(NetlinkError)
    expect(new copy.NetlinkError(refused)).toBeInstanceOf(NetplaneError)
    expect(new copy.ValidationError('a', 1, 'b')).toBeInstanceOf(NetplaneError)
    expect(new copy.ClosedError('x') instanceof NetlinkError).toBe(false)
  })

  it('leave classes derived from them to the ordinary rule', () => {
    class OwnError extends NetlinkError {}
    expect(new OwnError(refused)).toBeInstanceOf(OwnError)
    expect(new OwnError(refused)).toBeInstanceOf(NetlinkError)
    expect(new NetlinkError(refused) instanceof OwnError).toBe(false)
  })

  it('put everything that is known into the message', () => {
    const error = new NetlinkError({
      ...refused,
      field: 'name',
      kernelMessage: 'exists',
      hint: 'delete it',
      outcomeUnknown: true,
      index: 3,
      object: { a: 1 }
    })
    expect(error.message).toBe(
      'EEXIST: nftables.commit: table ip app, field name (exists); the outcome is unknown: read the state again; delete it'
    )
    expect(error).toMatchObject({ errno: -17, index: 3, object: { a: 1 }, outcomeUnknown: true })
    expect(new NetlinkError({ errno: 2, operation: 'x' })).toMatchObject({ message: 'ENOENT: x', kernelMessage: '', outcomeUnknown: false })
  })

  it('make further refusals only when they are asked for', () => {
    const others = vi.fn(() => [new NetlinkError({ errno: 2, operation: 'x' })])
    const error = new NetlinkError({ ...refused, others })
    expect(others).not.toHaveBeenCalled()
    expect(error.others).toHaveLength(1)
    expect(new NetlinkError(refused).others).toEqual([])
  })

  it('do not let names drive a terminal', () => {
    expect(printable('a\u001b[31mb\nc\u009b')).toBe('a\\x1b[31mb\\x0ac\\x9b')
    expect(printable('a\u202eb\u2028\ufeff\ud800 ä 😀 \u{e0041}')).toBe('a\\u202eb\\u2028\\ufeff\\ud800 ä 😀 \\u{e0041}')
    expect(new NetlinkError({ errno: 2, operation: 'x', subject: 'table \u001b[2J' }).message).not.toContain('\u001b')
    expect(new ValidationError('name', 'a\u001b[2J', 'b').message).not.toContain('\u001b')
    expect(new ValidationError('a\u001b[2J', 1, 'b').message).not.toContain('\u001b')
  })

  it('show a text that would be too long in quotes', () => {
    expect(new ValidationError('a', '\0'.repeat(100_000_000), 'b').message).toMatch(
      /^a is "(?:\\u0000)+.*… \(100000000 characters\); allowed: b$/
    )
  })

  it('show refused values shortly, whatever they are', () => {
    const circular: Record<string, unknown> = {}
    circular['self'] = circular
    const throwing = {
      toJSON: () => {
        throw new Error('no')
      }
    }
    for (const value of [
      undefined,
      null,
      'x'.repeat(100_000),
      10n,
      { a: 10n },
      circular,
      throwing,
      new Uint8Array(1e6),
      () => 1,
      Symbol('s'),
      NaN,
      Object.create(null)
    ]) {
      expect(new ValidationError('a', value, 'b').message.length).toBeLessThan(300)
    }
    expect(new ValidationError('a', undefined, 'b').message).toBe('a is missing; allowed: b')
  })
})

describe('errno names', () => {
  it.each([
    [1, 'EPERM'],
    [2, 'ENOENT'],
    [16, 'EBUSY'],
    [17, 'EEXIST'],
    [23, 'ENFILE'],
    [31, 'EMLINK'],
    [34, 'ERANGE'],
    [40, 'ELOOP'],
    [85, 'ERESTART'],
    [93, 'EPROTONOSUPPORT'],
    [95, 'EOPNOTSUPP'],
    [105, 'ENOBUFS'],
    [110, 'ETIMEDOUT']
  ])('%i is %s', (errno, name) => expect(errnoName(errno)).toBe(name))

  it('has a name for every number', () => {
    for (let errno = 1; errno < 600; errno += 1) expect(errnoName(errno)).toMatch(/^E[A-Z0-9]+$/)
    expect(errnoName(524)).toBe('E524')
  })
})
