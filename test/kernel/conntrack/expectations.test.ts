import { describe, expect, it } from 'vitest'
import type { ExpectationInput } from '../../../src/conntrack/types.js'
import type { NetlinkError } from '../../../src/core/errors.js'
import { sendPackets, trackedNamespace, TRACKING } from '../../support/conntrack.js'
import { rejection } from '../../support/rejection.js'

const original = { source: '127.0.0.1', destination: '127.0.0.2', sourcePort: 4000, destinationPort: 21 }
const master = { protocol: 'tcp', ...original } as const
const control = { protocol: 'tcp', original, timeoutSeconds: 600, state: 'established', helper: 'ftp' } as const
const tuple = { source: '127.0.0.1', destination: '127.0.0.2', destinationPort: 2580 }
const wanted: ExpectationInput = { protocol: 'udp', tuple, master }

describe('an expectation that is made', () => {
  it('is shown by conntrack(8), and met once by a packet', async () => {
    await using tracked = await trackedNamespace(TRACKING)
    const { conntrack, namespace } = tracked
    await conntrack.add(control)
    await conntrack.addExpectation({ ...wanted, timeoutSeconds: 77 })
    expect(await namespace.run('conntrack', ['-L', 'expect'])).toMatch(
      /^7\d proto=17 src=127\.0\.0\.1 dst=127\.0\.0\.2 sport=0 dport=2580 mask-src=255\.255\.255\.255 mask-dst=255\.255\.255\.255 sport=0 dport=65535 master-src=127\.0\.0\.1 master-dst=127\.0\.0\.2 sport=4000 dport=21 class=0 helper=ftp/
    )
    await sendPackets(namespace, ['udp', '127.0.0.9', '127.0.0.2', 6, 2580], ['udp', '127.0.0.1', '127.0.0.2', 7, 2580])
    await sendPackets(namespace, ['udp', '127.0.0.1', '127.0.0.2', 8, 2580])
    const flows = await conntrack.list({ filter: { protocol: 'udp' } })
    const by = (port: number) => flows.find((flow) => flow.original.sourcePort === port)!
    expect(by(7)).toMatchObject({ master })
    expect(by(7).status).toContain('expected')
    for (const port of [6, 8]) {
      expect(by(port).status).not.toContain('expected')
      expect(by(port)).not.toHaveProperty('master')
    }
    expect(await conntrack.listExpectations()).toEqual([])
  })

  it('stays where it is permanent, and is met by none where it is inactive', async () => {
    await using tracked = await trackedNamespace(TRACKING)
    const { conntrack, namespace } = tracked
    await conntrack.add(control)
    await conntrack.addExpectation({ ...wanted, flags: ['permanent'] })
    await sendPackets(namespace, ['udp', '127.0.0.1', '127.0.0.2', 1, 2580], ['udp', '127.0.0.1', '127.0.0.2', 2, 2580])
    expect(await conntrack.count({ filter: { protocol: 'udp', status: { expected: true } } })).toBe(2)
    expect(await namespace.run('conntrack', ['-L', 'expect'])).toContain('PERMANENT')
    await conntrack.flushExpectations({ allExpectations: true })
    await conntrack.addExpectation({ ...wanted, flags: ['inactive'] })
    await sendPackets(namespace, ['udp', '127.0.0.1', '127.0.0.2', 3, 2580])
    expect(await conntrack.count({ filter: { protocol: 'udp', status: { expected: true } } })).toBe(2)
  })

  it('has its flow translated by the function that it names', async () => {
    await using tracked = await trackedNamespace(TRACKING)
    const { conntrack, namespace } = tracked
    await conntrack.add(control)
    const nat = { direction: 'reply', tuple: { source: '10.0.0.1', sourcePort: 5 } } as const
    await conntrack.addExpectation({ ...wanted, function: 'nat-follow-master', nat })
    expect((await conntrack.listExpectations())[0]).toMatchObject({ function: 'nat-follow-master', nat })
    await sendPackets(namespace, ['udp', '127.0.0.1', '127.0.0.2', 7, 2580])
    const [flow] = await conntrack.list({ filter: { protocol: 'udp' } })
    // The destination becomes the source of the master's original direction, with the port of `nat`.
    expect(flow).toMatchObject({ reply: { source: '127.0.0.1', sourcePort: 5 }, master })
    expect(flow!.status).toEqual(expect.arrayContaining(['expected', 'destination-nat']))
  })

  it('of IPv6 and of icmp is listed as it was made', async () => {
    await using tracked = await trackedNamespace()
    const { conntrack } = tracked
    const six = { source: 'fd00::1', destination: 'fd00::2', sourcePort: 1, destinationPort: 21 }
    await conntrack.add({ ...control, original: six })
    const echo = { source: 'fd00::2', destination: 'fd00::1', icmpId: 7, icmpType: 128, icmpCode: 0 }
    await conntrack.addExpectation({ protocol: 'icmpv6', tuple: echo, mask: { source: 'ffff::' }, master: { protocol: 'tcp', ...six } })
    const [listed] = await conntrack.listExpectations()
    expect(listed).toMatchObject({ family: 'ip6', protocol: 'icmpv6', tuple: echo, mask: { source: 'ffff::', icmpId: 0xffff } })
  })

  it('is refused where the helper has no such class', async () => {
    await using tracked = await trackedNamespace()
    const { conntrack } = tracked
    await conntrack.add(control)
    // Kernels that heed the helper's name read a class beside it only.
    const error = await rejection<NetlinkError>(conntrack.addExpectation({ ...wanted, class: 1, helper: 'ftp' }))
    expect(error).toMatchObject({ code: 'EINVAL', hint: 'the helper has no such class' })
    const six = { ...original, destinationPort: 5060 }
    await conntrack.add({ ...control, protocol: 'udp', state: undefined, original: six, helper: 'sip' })
    await conntrack.addExpectation({ ...wanted, master: { protocol: 'udp', ...six }, class: 1, helper: 'sip' })
    expect((await conntrack.listExpectations())[0]).toMatchObject({ class: 1, helper: 'sip' })
  })
})
