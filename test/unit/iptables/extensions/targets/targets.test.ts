import { describe, expect, it } from 'vitest'
import { IPPROTO } from '../../../../../src/core/protocols.js'
import type { ExtensionContext } from '../../../../../src/iptables/extensions/extension.js'
import { padded } from '../../../../../src/iptables/extensions/layout.js'
import { TARGETS } from '../../../../../src/iptables/extensions/targets/index.js'
import { printOptions, readInfo, readOptions, wordsOf, writtenFor, type AnyExtension } from '../../../../support/extension-lines.js'

const targets = TARGETS as unknown as readonly AnyExtension[]

const ip: ExtensionContext = { family: 'ip', protocol: IPPROTO.tcp }
const ip6: ExtensionContext = { family: 'ip6', protocol: IPPROTO.tcp }
/** Two sets of ipset. */
const named: ExtensionContext = {
  ...ip,
  sets: { indexOf: (name) => ['web', 'bad hosts'].indexOf(name) + 1 || undefined, nameOf: (index) => ['web', 'bad hosts'][index - 1] }
}

/** A line, what it says, and how it is printed where that differs. */
const lines: readonly (readonly [line: string, options: object, context: ExtensionContext, printed?: string])[] = [
  ['DNAT --to-destination 10.0.0.1', { to: { addresses: '10.0.0.1' } }, ip],
  [
    'DNAT --to-destination 10.0.0.1-10.0.0.9:80-90 --random',
    { to: { addresses: ['10.0.0.1', '10.0.0.9'], ports: [80, 90] }, random: true },
    ip
  ],
  ['DNAT --to-destination :1000-2000/3000', { to: { ports: [1000, 2000], basePort: 3000 } }, ip],
  ['DNAT --to-destination [fd00::1]:80 --persistent', { to: { addresses: 'fd00::1', ports: 80 }, persistent: true }, ip6],
  ['DNAT --to-destination ::10.0.0.1', { to: { addresses: '::10.0.0.1' } }, ip6],
  ['SNAT --to-source 10.0.0.1 --random-fully', { to: { addresses: '10.0.0.1' }, randomFully: true }, ip],
  ['MASQUERADE', {}, ip],
  ['MASQUERADE --to-ports 1024-65535 --random-fully', { ports: [1024, 65535], randomFully: true }, ip6],
  ['REDIRECT --to-ports 8080', { ports: 8080 }, ip],
  ['CONNMARK --set-xmark 0x4000/0xffffffff', { mode: 'set', mark: 0x4000 }, ip],
  ['CONNMARK --or-mark 1', { mode: 'set', mark: { value: 1, mask: 1 } }, ip, 'CONNMARK --set-xmark 0x1/0x1'],
  [
    'CONNMARK --save-mark --nfmask 0xff --ctmask 0xffffffff --left-shift-mark 3',
    { mode: 'save', packetMask: 255, connectionMask: 0xffff_ffff, shift: { direction: 'left', bits: 3 } },
    ip
  ],
  ['CT --notrack', { noTrack: true }, ip],
  ['CT --helper ftp --timeout slow', { helper: 'ftp', timeout: 'slow' }, ip],
  ['CT --ctevents new,mark --zone-orig mark', { events: ['new', 'mark'], zone: 'mark', zoneDirection: 'original' }, ip],
  ['NOTRACK', {}, ip],
  ['REJECT', { with: 'icmp-port-unreachable' }, ip, 'REJECT --reject-with icmp-port-unreachable'],
  ['REJECT --reject-with tcp-reset', { with: 'tcp-reset' }, ip6],
  ['LOG --log-prefix "x "', { prefix: 'x ' }, ip],
  ['LOG --log-level alert --log-uid', { level: 'alert', uid: true }, ip6, 'LOG --log-level 1 --log-uid'],
  ['NFLOG', {}, ip],
  ['NFLOG --nflog-group 0 --nflog-threshold 0', {}, ip, 'NFLOG'],
  ['NFLOG --nflog-prefix "a\\"b" --nflog-group 2 --nflog-size 0', { prefix: 'a"b', group: 2, size: 0 }, ip],
  ['TCPMSS --set-mss 1400', { mss: 1400 }, ip],
  ['TCPMSS --clamp-mss-to-pmtu', { mss: 'clamp-to-pmtu' }, ip6],
  ['TPROXY --on-port 80 --on-ip 10.0.0.1 --tproxy-mark 0x1/0xf', { port: 80, address: '10.0.0.1', mark: { value: 1, mask: 15 } }, ip],
  ['TPROXY --on-port 80', { port: 80 }, ip6, 'TPROXY --on-port 80 --on-ip :: --tproxy-mark 0x0/0x0'],
  ['CLASSIFY --set-class 1:10', { major: 1, minor: 16 }, ip, 'CLASSIFY --set-class 0001:0010'],
  ['TOS --set-tos 16', { value: 16, mask: 255 }, ip, 'TOS --set-tos 0x10/0xff'],
  ['DSCP --set-dscp-class EF', { dscp: 46 }, ip, 'DSCP --set-dscp 0x2e'],
  ['TTL --ttl-set 64', { mode: 'set', value: 64 }, ip],
  ['HL --hl-dec 1', { mode: 'decrement', value: 1 }, ip6],
  [
    'HMARK --hmark-tuple src,dst,ct --hmark-mod 8 --hmark-rnd 1',
    { sourcePrefix: 32, destinationPrefix: 32, connection: true, modulus: 8, seed: 1 },
    ip,
    'HMARK --hmark-src-prefix 32 --hmark-dst-prefix 32 --hmark-rnd 0x00000001 --hmark-mod 8 --hmark-tuple ct'
  ],
  [
    'HMARK --hmark-src-prefix 65 --hmark-spi-mask 0x00000004 --hmark-rnd 0x00000000 --hmark-mod 8 --hmark-offset 5',
    { sourcePrefix: 65, spiMask: 4, seed: 0, modulus: 8, offset: 5 },
    ip6
  ],
  ['TRACE', {}, ip],
  ['CHECKSUM --checksum-fill', { fill: true }, ip],
  ['CONNSECMARK --restore', { mode: 'restore' }, ip],
  ['SECMARK --selctx system_u:object_r:t:s0', { context: 'system_u:object_r:t:s0' }, ip],
  ['NFQUEUE --queue-bypass', { queue: 0, bypass: true }, ip, 'NFQUEUE --queue-num 0 --queue-bypass'],
  ['NFQUEUE --queue-balance 0:3 --queue-cpu-fanout', { queue: [0, 3], cpuFanout: true }, ip6],
  [
    'SET --add-set web src,dst --exist --timeout 60 --del-set "bad hosts" src',
    {
      add: { set: 'web', sides: ['src', 'dst'] },
      delete: { set: 'bad hosts', sides: ['src'] },
      exist: true,
      timeoutSeconds: 60
    },
    named,
    'SET --add-set web src,dst --exist --timeout 60 --del-set bad hosts src'
  ],
  [
    'SET --map-set web dst --map-mark --map-prio --map-queue',
    { map: { set: 'web', sides: ['dst'] }, mapMark: true, mapPriority: true, mapQueue: true },
    named
  ]
]

const cases = lines.map(([line, options, context, printed = line]) => [line, options, context, printed] as const)

describe.each(cases)('%s', (line, options, context, printed) => {
  const [name = '', ...words] = wordsOf(line)
  const target = writtenFor(targets, name, context.family)

  it('is read, and printed', () => {
    expect(readOptions(target, words, context)).toEqual(options)
    expect(`${name} ${printOptions(target, options, context)}`.trim()).toBe(printed)
  })

  it('is encoded and decoded, with the padding of the kernel and without', () => {
    const info = target.encode(options, context)
    expect(info).toHaveLength(target.size)
    const long = new Uint8Array(padded(target.size))
    long.set(info)
    for (const given of [info, long]) {
      const found = readInfo(targets, { name: target.name, revision: target.revision, info: given }, context)
      expect(found?.extension).toBe(target)
      expect(target.encode(found!.options, context)).toEqual(info)
      expect(printOptions(target, found!.options, context)).toBe(printOptions(target, options, context))
    }
  })

  it('is refused with an option that there is not, and undecoded where the length is another', () => {
    expect(() => target.encode({ ...options, wrong: 1 }, context)).toThrow(/wrong is 1/)
    const info = target.encode(options, context)
    expect(target.decode(new Uint8Array(padded(target.size) + 8), context)).toBeUndefined()
    if (info.length > 0) expect(target.decode(info.subarray(1), context)).toBeUndefined()
  })
})

/** Lines that iptables refuses too, most from its own tests, and what is said. */
const refused: readonly (readonly [line: string, said: RegExp, context: ExtensionContext])[] = [
  ['DNAT', /--to-destination/, ip],
  ['DNAT --to-destination 1.1.1.1:80', /protocol tcp/, { family: 'ip' }],
  ['DNAT --to-destination 1.1.1.1 --to-destination 2.2.2.2', /once/, ip],
  ['DNAT --to-destination 1.1.1.1:1025-65536', /a port/, ip],
  ['DNAT --to-destination 1.1.1.1:90-80', /a port/, ip],
  ['DNAT --to-destination 1.1.1.1:1000-2000/0', /a port/, ip],
  ['DNAT --to-destination 1.1.1', /an address/, ip],
  ['DNAT --to-destination [1.1.1.1]:80', /an address/, ip],
  ['DNAT --to-destination [::1:80', /brackets/, ip6],
  ['DNAT --to-destination ::1', /IPv4/, ip],
  ['DNAT --to-destination 1.1.1.1', /IPv6/, ip6],
  ['DNAT --to-destination 1.1.1.1 --random-fully', /not --random-fully/, ip],
  ['REDIRECT --to-ports 42-1234/567', /without a base/, ip],
  ['REDIRECT --to-ports 42', /protocol tcp/, { family: 'ip' }],
  ['MASQUERADE --to-ports 65536', /a port/, ip],
  ['CONNMARK', /one of --set-xmark/, ip],
  ['CONNMARK --save-mark --restore-mark', /one of --set-xmark/, ip],
  ['CONNMARK --set-mark 1 --nfmask 1', /only beside/, ip],
  ['CONNMARK --save-mark --mask 1 --ctmask 1', /--mask, or/, ip],
  ['CONNMARK --set-mark 0x100000000', /a mark/, ip],
  ['CT --zone 65536', /a zone/, ip],
  ['CT --zone -1', /a zone|word/, ip],
  ['CT --ctevents new,odd', /one or more of/, ip],
  ['CT --zone 1 --zone-orig 1', /once/, ip],
  ['REJECT --reject-with tcp-reset', /protocol tcp/, { family: 'ip' }],
  ['REJECT --reject-with icmp6-no-route', /icmp-net/, ip],
  ['REJECT --reject-with ""', /icmp-net/, ip],
  ['LOG --log-level bad', /a level/, ip],
  ['LOG --log-prefix', /1 words/, ip],
  ['LOG --log-prefix 123456789012345678901234567890', /29/, ip],
  ['NFLOG --nflog-group 65536', /65535/, ip],
  ['TCPMSS', /--set-mss/, ip],
  ['TCPMSS --set-mss 65516', /65515/, ip],
  ['TCPMSS --set-mss 65496', /65495/, ip6],
  ['TCPMSS --set-mss 1 --clamp-mss-to-pmtu', /once/, ip],
  ['TPROXY --on-ip 10.0.0.1', /--on-port/, ip],
  ['TPROXY --on-port 1 --on-ip ::1', /IPv4/, ip],
  ['CLASSIFY', /--set-class/, ip],
  ['CLASSIFY --set-class 0000:ffffffff', /handle/, ip],
  ['TOS', /--set-tos/, ip],
  ['TOS --set-tos 256', /0 to 255/, ip],
  ['TOS --set-tos toString', /0 to 255/, ip],
  ['TOS --set-tos 1 --or-tos 1', /once/, ip],
  ['DSCP --set-dscp 0x40', /63/, ip],
  ['DSCP --set-dscp 0x3f --set-dscp-class CS0', /once/, ip],
  ['DSCP --set-dscp-class AF44', /a class/, ip],
  ['TTL --ttl-set 256', /255/, ip],
  ['TTL --ttl-inc 0', /1 to 255/, ip],
  ['TTL --ttl-dec 1 --ttl-inc 1', /once/, ip],
  ['TTL', /one of --ttl-set/, ip],
  ['HMARK --hmark-tuple src --hmark-rnd 1', /a modulus/, ip],
  ['HMARK --hmark-tuple src --hmark-mod 1', /a seed/, ip],
  ['HMARK --hmark-rnd 1 --hmark-mod 0', /1 to/, ip],
  ['HMARK --hmark-rnd 1 --hmark-mod 1', /at least one part/, ip],
  ['HMARK --hmark-rnd 1 --hmark-mod 1 --hmark-src-prefix 33', /32 bits/, ip],
  ['HMARK --hmark-rnd 1 --hmark-mod 1 --hmark-tuple src,odd', /one or more/, ip],
  ['HMARK --hmark-rnd 1 --hmark-mod 1 --hmark-tuple sport,spi', /none beside/, ip],
  ['CHECKSUM', /--checksum-fill/, ip],
  ['CONNSECMARK', /--save/, ip],
  ['CONNSECMARK --save --restore', /once/, ip],
  ['SECMARK', /--selctx/, ip],
  ['NFQUEUE --queue-num 65536', /65535/, ip],
  ['NFQUEUE --queue-balance 0:65535', /at most 65535/, ip],
  ['NFQUEUE --queue-balance 3:3', /first and the last/, ip],
  ['NFQUEUE --queue-cpu-fanout', /--queue-balance/, ip],
  ['NFQUEUE --queue-num 1 --queue-balance 0:3', /once/, ip],
  ['NOTRACK --zone 1', /an option of/, ip],
  ['SET', /one of --add-set/, named],
  ['SET --add-set web src,odd', /src and dst/, named],
  ['SET --add-set web src,src,src,src,src,src,src', /src and dst/, named],
  ['SET --del-set web src --exist', /--add-set/, named],
  ['SET --map-set web src', /--map-mark/, named],
  ['SET --add-set web src --map-mark', /--map-set/, named]
]

it.each(refused)('refuses %s', (line, said, context) => {
  const [name = '', ...words] = wordsOf(line)
  expect(() => readOptions(writtenFor(targets, name, context.family), words, context)).toThrow(said)
})

/** Options that are refused, by the revision that would have them. */
const wrong: readonly (readonly [name: string, revision: number, options: object, path: string, context: ExtensionContext])[] = [
  ['DNAT', 2, { to: { addresses: '::1' } }, 'addresses', ip],
  ['DNAT', 2, { to: { addresses: ['10.0.0.1'] } }, 'addresses', ip],
  ['DNAT', 2, { to: { ports: [2, 1] } }, 'ports', ip],
  ['DNAT', 2, { to: { ports: 80 } }, 'ports', { family: 'ip' }],
  ['DNAT', 2, { to: { port: 80 } }, 'to.port', ip],
  ['DNAT', 2, { to: { ports: 80, basePort: 1 } }, 'basePort', ip],
  ['DNAT', 1, { to: { ports: [80, 90], basePort: 1 } }, 'basePort', ip],
  ['DNAT', 2, { to: {}, random: 1 }, 'random', ip],
  ['SNAT', 0, { to: { ports: [1, 2], basePort: 5 } }, 'basePort', ip],
  ['CONNMARK', 2, { mode: 'odd' }, 'mode', ip],
  ['CONNMARK', 2, { mode: 'set', mark: 2 ** 32 }, 'mark', ip],
  ['CONNMARK', 2, { mode: 'save', mark: 1 }, 'mark', ip],
  ['CONNMARK', 2, { mode: 'set', mark: 1, packetMask: 1 }, 'packetMask', ip],
  ['CONNMARK', 2, { mode: 'set', mark: 1, shift: { direction: 'up', bits: 1 } }, 'shift.direction', ip],
  ['CONNMARK', 2, { mode: 'set', mark: 1, shift: { direction: 'left', bits: 32 } }, 'shift.bits', ip],
  ['CONNMARK', 1, { mode: 'set', mark: 1, shift: { direction: 'left', bits: 1 } }, 'shift', ip],
  ['CT', 0, { timeout: 'slow' }, 'timeout', ip],
  ['CT', 2, { helper: '0123456789abcdef' }, 'helper', ip],
  ['CT', 2, { events: [] }, 'events', ip],
  ['CT', 2, { zoneDirection: 'both' }, 'zoneDirection', ip],
  ['REJECT', 0, { with: 'tcp-reset' }, 'with', { family: 'ip' }],
  ['REJECT', 0, { with: 'icmp6-no-route' }, 'with', ip],
  ['REJECT', 0, { with: 'constructor' }, 'with', ip],
  ['LOG', 0, { level: 'err' }, 'level', ip],
  ['LOG', 0, { prefix: 'two\nlines' }, 'prefix', ip],
  ['NFLOG', 0, { prefix: 'x'.repeat(128) }, 'prefix', ip],
  ['TCPMSS', 0, { mss: -1 }, 'mss', ip],
  ['TPROXY', 1, { port: 65536 }, 'port', ip],
  ['CLASSIFY', 0, { major: 1 }, 'minor', ip],
  ['TOS', 1, { value: 256 }, 'value', ip],
  ['DSCP', 0, { dscp: 64 }, 'dscp', ip],
  ['TTL', 0, { mode: 'decrement', value: 0 }, 'value', ip],
  ['HMARK', 0, { modulus: 1, seed: 1 }, 'connection', ip],
  ['HMARK', 0, { modulus: 0, seed: 1, connection: true }, 'modulus', ip],
  ['HMARK', 0, { modulus: 1, seed: 1, sourcePrefix: 33 }, 'sourcePrefix', ip],
  ['HMARK', 0, { modulus: 1, seed: 1, spi: 1, sourcePort: 1 }, 'spi', ip],
  ['CHECKSUM', 0, { fill: false }, 'fill', ip],
  ['CONNSECMARK', 0, { mode: 'set' }, 'mode', ip],
  ['SECMARK', 1, { context: 'x'.repeat(256) }, 'context', ip],
  ['NFQUEUE', 3, { queue: [0, 65535] }, 'queue', ip],
  ['NFQUEUE', 3, { queue: 1, cpuFanout: true }, 'cpuFanout', ip],
  ['NFQUEUE', 2, { queue: [1, 2], cpuFanout: true }, 'cpuFanout', ip],
  ['NFQUEUE', 1, { bypass: true }, 'bypass', ip],
  ['NFQUEUE', 0, { queue: [1, 2] }, 'queue', ip],
  ['SET', 3, {}, 'add', ip],
  ['SET', 3, { add: { set: 'web', sides: ['src'] } }, 'add.set', ip],
  ['SET', 3, { add: { set: 'none', sides: ['src'] } }, 'add.set', named],
  ['SET', 3, { add: { set: 65535, sides: ['src'] } }, 'add.set', ip],
  ['SET', 3, { add: { set: 1, sides: [] } }, 'add.sides', ip],
  ['SET', 3, { delete: { set: 1, sides: ['src'] }, timeoutSeconds: 1 }, 'timeoutSeconds', ip],
  ['SET', 1, { add: { set: 1, sides: ['src'] }, exist: true }, 'exist', ip],
  ['SET', 3, { map: { set: 1, sides: ['src'] }, mapMark: true }, 'map', { family: 'ip', table: 'filter' }],
  ['SET', 2, { map: { set: 1, sides: ['src'] }, mapMark: true }, 'map', ip]
]

it.each(wrong)('%s in revision %i refuses %j', (name, revision, options, path, context) => {
  const target = targets.find((each) => each.name === name && each.revision === revision && each.families.includes(context.family))!
  expect(() => target.encode(options, context)).toThrow(expect.objectContaining({ code: 'ERR_NETPLANE_VALIDATION', path }))
})

describe('structures that the options cannot say', () => {
  it.each([
    ['DNAT', 2, [64]],
    ['DNAT', 2, [16]],
    ['DNAT', 2, [0, 0, 0, 0, 1]],
    ['SNAT', 0, [2]],
    ['SNAT', 0, [1, 0, 0, 0, 34]],
    ['CONNMARK', 2, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3]],
    ['CT', 2, [12]],
    ['CT', 2, [32]],
    ['CT', 2, [0, 0, 0, 0, 0, 8]],
    ['REJECT', 0, [4]],
    ['LOG', 0, [8]],
    ['LOG', 0, [4, 16]],
    ['NFLOG', 0, [1]],
    ['TTL', 0, [3, 1]],
    ['CHECKSUM', 0, [2]],
    ['CONNSECMARK', 0, [3]],
    ['SECMARK', 1, [2, 65]],
    ['NFQUEUE', 3, [0, 0, 0, 0]],
    ['NFQUEUE', 3, [0, 0, 1, 0, 4]],
    ['SET', 3, [0, 0, 0, 0, 0xff, 0xff, 0, 0, 0xff, 0xff]]
  ])('%s in revision %i: %j', (name, revision, bytes) => {
    const found = targets.filter((each) => each.name === name && each.revision === revision && each.families.includes('ip'))
    for (const target of found) {
      const info = new Uint8Array(target.size)
      info.set(bytes)
      expect(target.decode(info, ip)).toBeUndefined()
    }
  })
})

it('has a longer structure for prefixes of NFLOG that only nf_tables takes', () => {
  const nflog = writtenFor(targets, 'NFLOG', 'ip')
  const lengths = [1, 63, 64, 127].map((length) => {
    const options = { prefix: 'x'.repeat(length) }
    const info = nflog.encode(options, ip)
    expect(nflog.decode(info, ip)).toEqual(options)
    return info.length
  })
  expect(lengths).toEqual([76, 76, 140, 140])
  // A short prefix has the short structure.
  expect(nflog.decode(new Uint8Array(140).fill(120, 12, 70), ip)).toBeUndefined()
})

describe('sets by name and index', () => {
  const set = writtenFor(targets, 'SET', 'ip')
  const options = { add: { set: 1, sides: ['src'] } }

  it('shows the index where names cannot be asked for, or the set has none', () => {
    const info = set.encode(options, ip)
    expect(set.decode(info, ip)).toEqual(options)
    expect(printOptions(set, options, ip)).toBe('--add-set 1 src')
    expect(printOptions(set, options, named)).toBe('--add-set web src')
    expect(set.decode(set.encode({ add: { set: 9, sides: ['src'] } }, ip), named)).toEqual({ add: { set: 9, sides: ['src'] } })
  })

  it('says which sets are meant', () => {
    expect(set.setsOf?.({ add: { set: 'a', sides: [] }, map: { set: 4, sides: [] } })).toEqual(['a', 4])
  })
})

it('has each revision once in each family, save CT and NOTRACK, which is a CT', () => {
  const keys = targets.flatMap(({ name, revision, families, alias = name }) =>
    families.map((family) => `${alias} ${name} ${revision} ${family}`)
  )
  expect(new Set(keys).size).toBe(keys.length)
})
