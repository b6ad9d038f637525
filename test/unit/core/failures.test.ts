import { describe, expect, it } from 'vitest'
import { NetlinkError, UnsupportedError } from '../../../src/core/errors.js'
import { failureError, invalidError, unsupportedProtocol, unwrapOutcome } from '../../../src/core/failures.js'

describe('failures', () => {
  const failure = { errno: 1, operation: 'socket(AF_NETLINK)', message: '', outcomeUnknown: false }

  it('become errors with a hint', () => {
    const error = failureError(failure, { operation: 'route.open', subject: 'network namespace x' })
    expect(error).toMatchObject({
      code: 'EPERM',
      errno: -1,
      operation: 'route.open',
      subject: 'network namespace x',
      kernelMessage: 'socket(AF_NETLINK)'
    })
    expect(error.hint).toContain('CAP_NET_ADMIN')
    expect(() => unwrapOutcome({ failure }, { operation: 'x' })).toThrow(NetlinkError)
    expect(unwrapOutcome({ value: 3 }, { operation: 'x' })).toBe(3)
  })

  it('name what the kernel lacks', () => {
    expect(unsupportedProtocol(failure, 'nf_tables', 'build it')).toBeUndefined()
    const error = unsupportedProtocol({ ...failure, errno: 93 }, 'nf_tables', 'build it')
    expect(error).toBeInstanceOf(UnsupportedError)
    expect(error).toMatchObject({ missing: 'nf_tables', message: 'this kernel has no nf_tables: build it' })
  })

  it('say where in the caller’s object a value stands', () => {
    expect(invalidError('operations[3]', { path: 'expressions[1].op', value: 'x', allowed: 'eq' }).path).toBe(
      'operations[3].expressions[1].op'
    )
    expect(invalidError('table', { path: '', value: 'x', allowed: 'y' }).path).toBe('table')
  })
})

describe('the hint that an errno alone gives', () => {
  const hintOf = (errno: number, operation: string): string | undefined =>
    failureError({ errno, operation, message: '', outcomeUnknown: false }, { operation: 'conntrack.open' }).hint

  it.each([
    ['EMFILE of a call that opens a file', 24, 'socket(AF_NETLINK)', 'the process has too many open files (ulimit -n)'],
    ['EMFILE of a namespace that is opened', 24, 'open /run/netns/x', 'the process has too many open files (ulimit -n)'],
    ['EMFILE of a request, which means its own', 24, 'IPCTNL_MSG_EXP_NEW', undefined],
    ['EPERM of setns, which asks for CAP_SYS_ADMIN', 1, 'setns', undefined]
  ])('is right for %s', (_, errno, operation, hint) => {
    expect(hintOf(errno, operation)).toBe(hint)
  })

  it('names CAP_NET_ADMIN where a request is refused', () => {
    expect(hintOf(1, 'IPCTNL_MSG_CT_GET')).toContain('CAP_NET_ADMIN')
  })
})
