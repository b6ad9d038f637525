import { Buffer } from 'node:buffer'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { gunzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import type { NetlinkError } from '../../../src/core/errors.js'
import { Nftables } from '../../../src/nftables/client.js'
import type { Expression } from '../../../src/nftables/expressions.js'
import type { Ruleset } from '../../../src/nftables/listing.js'
import { knownNames, usedNames } from '../../support/expression-tables.js'
import { isOlderThan } from '../../support/kernel-version.js'
import { makeNamespace, type TestNamespace } from '../../support/namespace.js'
import { rejection } from '../../support/rejection.js'
import { copyRuleset, expectSamePrinted, listRuleset } from '../../support/ruleset-copy.js'

const folder = path.resolve(import.meta.dirname, 'rulesets')
const scripts = readdirSync(folder).filter((file) => file.endsWith('.nft'))
const saved = readdirSync(path.join(folder, 'iptables'))

/** What the running kernel was built with; undefined where it does not say. */
function readConfig(): ReadonlySet<string> | undefined {
  try {
    const config = gunzipSync(readFileSync('/proc/config.gz')).toString()
    return new Set([...config.matchAll(/^(CONFIG_\w+)=[ym]$/gm)].map(([, option]) => option!))
  } catch {
    return undefined
  }
}

const config = readConfig()
const hasOption = (option: string) => (): boolean | undefined => config?.has(option)
/** Options of DCCP became an option of the kernel when its sockets were removed (Linux 6.16). */
const hasDccpOptions = (): boolean | undefined => isOlderThan('6.16') || config?.has('CONFIG_NFT_EXTHDR_DCCP')

/** What a kernel may be without: whether it is there (undefined: it does not say), the lines of rulesets that need it, and the names of expressions. */
const optional: readonly {
  readonly what: string
  readonly isThere: () => boolean | undefined
  readonly lines: RegExp
  readonly names: RegExp
}[] = [
  { what: 'CONFIG_NFT_QUEUE', isThere: hasOption('CONFIG_NFT_QUEUE'), lines: /\bqueue (num|flags|to) /, names: /^queue/ },
  {
    what: 'CONFIG_NF_FLOW_TABLE',
    isThere: hasOption('CONFIG_NF_FLOW_TABLE'),
    lines: /^\tflowtable f |\bflow add @f/,
    names: /^flow_offload$/
  },
  { what: 'CONFIG_NFT_BRIDGE_META', isThere: hasOption('CONFIG_NFT_BRIDGE_META'), lines: /\bmeta (ibr|obr)/, names: /^meta\.key=bri-/ },
  { what: 'CONFIG_NFT_BRIDGE_REJECT', isThere: hasOption('CONFIG_NFT_BRIDGE_REJECT'), lines: /ether type ip6? reject/, names: /^$/ },
  { what: 'CONFIG_NFT_EXTHDR_DCCP', isThere: hasDccpOptions, lines: /(?!)/, names: /^exthdr\.op=dccp$/ },
  {
    // nft_secmark_compute_secid takes labels of a module that is running.
    what: 'SELinux, running',
    isThere: () => existsSync('/sys/fs/selinux/enforce'),
    lines: /\bsecmark /,
    names: /^objref\.objectType=secmark$/
  }
]

/** The newest kernel whose expressions all stand in the rulesets; older ones lack more than options. */
const isComplete = !isOlderThan('6.18')

/**
 * Loads a script by nft, without the lines that the kernel refuses, which are returned. Only lines that need something optional may be refused, and those must be where the
 * kernel was built without it.
 */
async function loadWhatIsKnown(namespace: TestNamespace, script: string): Promise<string[]> {
  const lines = script.split('\n')
  const { status, stderr } = await namespace.attempt('nft', ['-f', '-'], { input: script })
  if (status === 0) return []
  const refused = new Set(
    [...stderr.matchAll(/^\/dev\/stdin:(\d+):[^\n]*Error: Could not process rule: /gm)].map(([, line]) => Number(line))
  )
  if (refused.size === 0) throw new Error(stderr)
  await namespace.nftScript(lines.map((line, index) => (refused.has(index + 1) ? '' : line)).join('\n'))
  return [...refused].map((line) => lines[line - 1]!)
}

const used = new Set<string>()

describe('what nft wrote, listed and written into another namespace', () => {
  it('is forty rulesets', () => {
    expect(scripts.length).toBeGreaterThanOrEqual(40)
  })

  it.each(scripts)('is the same: %s', async (file) => {
    const from = await makeNamespace()
    const script = readFileSync(path.join(folder, file), 'utf8')
    const refused = await loadWhatIsKnown(from, script)
    for (const line of script.split('\n')) {
      const needed = optional.find(({ lines }) => lines.test(line))
      const isThere = needed === undefined ? true : needed.isThere()
      // Lines that are refused need what is missing, and those that need it are refused. Older kernels lack more than that.
      if (isThere !== undefined && (isComplete || !isThere))
        expect({ line, isRefused: refused.includes(line) }).toEqual({ line, isRefused: !isThere })
    }
    const { to, listed } = await copyRuleset(from)
    for (const name of usedNames(listed)) used.add(name)
    await expectSamePrinted(from, to)
  })
})

const tools: Readonly<Record<string, string>> = { ip: 'iptables-nft', ip6: 'ip6tables-nft', eb: 'ebtables-nft', arp: 'arptables-nft' }

describe('what iptables wrote, listed and written into another namespace', () => {
  const load = async (file: string): Promise<{ readonly from: TestNamespace; readonly tool: string }> => {
    const from = await makeNamespace()
    const tool = tools[path.extname(file).slice(1)]!
    await from.run(`${tool}-restore`, [], { input: readFileSync(path.join(folder, 'iptables', file)) })
    return { from, tool }
  }

  it.each(saved)('is the same: %s', async (file) => {
    const { from, tool } = await load(file)
    const { to, listed } = await copyRuleset(from)
    for (const name of usedNames(listed)) used.add(name)
    const save = async (namespace: TestNamespace): Promise<string[]> =>
      (await namespace.run(`${tool}-save`, [])).split('\n').filter((line) => !line.startsWith('#'))
    const theirs = await save(from)
    expect(theirs.length).toBeGreaterThan(5)
    expect(await save(to)).toEqual(theirs)
    expect(await to.nft('list', 'ruleset')).toBe(await from.nft('list', 'ruleset'))
  })

  it.each([
    ['a protocol that the rule does not ask for', { protocol: 17, flags: 0 }],
    ['no protocol', { protocol: 0, flags: 0 }],
    ['any other protocol', { protocol: 6, flags: 2 }]
  ])('is refused with %s, which the kernel checks', async (_what, compat) => {
    const from = await makeNamespace()
    await from.run('iptables-nft', ['-A', 'FORWARD', ...'-p tcp --tcp-flags SYN,RST SYN -j TCPMSS --set-mss 1360'.split(' ')])
    const { rules } = await listRuleset(from)
    await using nft = await Nftables.open({ netns: from.path })
    const [rule] = rules
    expect(rule!.compat).toBeUndefined()
    const tx = nft.transaction()
    tx.add.rule({ ...rule!, compat })
    expect(await rejection<NetlinkError>(tx.commit())).toMatchObject({ code: 'EINVAL' })
    const derived = nft.transaction()
    derived.add.rule(rule!)
    await derived.commit()
  })
})

const loadMark = { type: 'meta', key: 'mark', destinationRegister: 1 } as const
const four = { sourceRegister: 1, destinationRegister: 1, length: 4 } as const
const translationFlags = ['map-ips', 'random', 'persistent', 'fully-random', 'proto-offset', 'netmap'] as const
const loadAddress: readonly Expression[] = [
  { type: 'immediate', destinationRegister: 1, data: Uint8Array.of(10, 0, 0, 1) },
  { type: 'immediate', destinationRegister: 2, data: Uint8Array.of(0, 80) }
]

interface Unwritable {
  readonly what: string
  /** The kernel that brought it. */
  readonly since: `${number}.${number}`
  /** Of table `ip a`, or the one of table `netdev a`. */
  readonly chain: 'in' | 'pre' | 'post' | 'netdev'
  readonly expressions: readonly Expression[]
  /** Whether this kernel refuses it. */
  readonly isRefused?: () => boolean
}

/** What nft 1.0.6 has no words for, or says in another way. */
const unwritable: readonly Unwritable[] = [
  {
    what: 'and, or, xor of two values',
    since: '6.13',
    chain: 'in',
    expressions: (['and', 'or', 'xor'] as const).flatMap((op): Expression[] => [
      loadMark,
      { type: 'meta', key: 'priority', destinationRegister: 2 },
      { type: 'bitwise', ...four, sourceRegister2: 2, op }
    ])
  },
  {
    what: 'when a rule matched last',
    since: '5.15',
    chain: 'in',
    expressions: [{ type: 'last' }]
  },
  {
    what: 'the inner header',
    since: '6.2',
    chain: 'in',
    expressions: [{ type: 'payload', destinationRegister: 1, base: 'inner', offset: 0, length: 4 }]
  },
  {
    what: 'labels of security modules',
    since: '5.10',
    chain: 'in',
    expressions: [
      { type: 'meta', key: 'secmark', destinationRegister: 1 },
      { type: 'ct', key: 'secmark', destinationRegister: 1 }
    ]
  },
  {
    what: 'a range as one expression, and numbers turned round',
    since: '5.10',
    chain: 'in',
    expressions: [
      loadMark,
      { type: 'byteorder', ...four, op: 'ntoh', size: 4 },
      { type: 'range', sourceRegister: 1, op: 'eq', from: new Uint8Array(4), to: Uint8Array.of(0, 0, 1, 0) }
    ]
  },
  {
    what: 'an element that is added where it is not there',
    since: '5.10',
    chain: 'in',
    expressions: [loadMark, { type: 'dynset', set: 'marks', op: 'add', keyRegister: 1, flags: ['inverted'] }]
  },
  {
    what: 'all flags of dnat',
    since: '5.10',
    chain: 'pre',
    expressions: [
      ...loadAddress,
      {
        type: 'nat',
        nat: 'dnat',
        family: 'ip',
        addressMinRegister: 1,
        protoMinRegister: 2,
        flags: [...translationFlags, 'proto-specified']
      }
    ]
  },
  { what: 'all flags of redirect', since: '5.10', chain: 'pre', expressions: [{ type: 'redir', flags: translationFlags }] },
  { what: 'all flags of masquerade', since: '5.10', chain: 'post', expressions: [{ type: 'masq', flags: translationFlags }] },
  {
    what: 'named limits of connections',
    since: '5.10',
    chain: 'in',
    expressions: [{ type: 'objref', objectType: 'connlimit', name: 'few' }]
  },
  {
    what: 'named tunnels, and the tunnel of a packet',
    since: '5.10',
    chain: 'netdev',
    expressions: [
      { type: 'objref', objectType: 'tunnel', name: 'far' },
      { type: 'tunnel', key: 'path', destinationRegister: 1 },
      { type: 'tunnel', key: 'id', destinationRegister: 1, mode: 'none' },
      { type: 'tunnel', key: 'id', destinationRegister: 1, mode: 'rx' },
      { type: 'tunnel', key: 'id', destinationRegister: 1, mode: 'tx' }
    ]
  },
  {
    what: 'the age of a socket in the tree of control groups',
    since: '5.13',
    chain: 'in',
    expressions: [{ type: 'socket', key: 'cgroupv2', level: 2, destinationRegister: 1 }]
  },
  {
    what: 'options of DCCP',
    since: '6.5',
    chain: 'in',
    isRefused: () => hasDccpOptions() !== true,
    expressions: [
      { type: 'meta', key: 'l4proto', destinationRegister: 1 },
      { type: 'cmp', sourceRegister: 1, op: 'eq', data: Uint8Array.of(33) },
      { type: 'exthdr', op: 'dccp', header: 3, offset: 0, length: 1, flags: ['present'], destinationRegister: 1 }
    ]
  },
  {
    what: 'headers inside tunnels',
    since: '6.2',
    chain: 'in',
    expressions: [
      {
        type: 'inner',
        number: 0,
        tunnel: 'vxlan',
        flags: ['header-size', 'link', 'network', 'transport'],
        headerSize: 8,
        expression: { type: 'payload', base: 'tunnel', offset: 4, length: 3, destinationRegister: 1 }
      },
      {
        type: 'inner',
        number: 0,
        tunnel: 'geneve',
        flags: ['header-size', 'link', 'network', 'transport'],
        headerSize: 8,
        expression: { type: 'meta', key: 'l4proto', destinationRegister: 1 }
      },
      ...(['gre', 'gretap'] as const).map((tunnel): Expression => ({
        type: 'inner',
        number: 0,
        tunnel,
        flags: ['header-size', 'network', 'transport'],
        headerSize: 4,
        expression: { type: 'payload', base: 'network', offset: 12, length: 4, destinationRegister: 1 }
      }))
    ]
  },
  {
    what: 'addresses of a connection of either family',
    since: '5.10',
    chain: 'in',
    expressions: [
      { type: 'meta', key: 'nfproto', destinationRegister: 1 },
      { type: 'cmp', sourceRegister: 1, op: 'eq', data: Uint8Array.of(2) },
      { type: 'ct', key: 'src', direction: 'original', destinationRegister: 1 },
      { type: 'ct', key: 'dst', direction: 'reply', destinationRegister: 1 }
    ]
  }
]

const NFTA_TUNNEL_KEY = Buffer.from('08000100' + '00000007' + '14000280' + '08000100' + '0a000001' + '08000200' + '0a000002', 'hex')

describe('what nft cannot write, listed and written again', () => {
  it.each(unwritable.filter(({ since }) => !isOlderThan(since)))('is the same: $what', async ({ chain, expressions, isRefused }) => {
    const namespace = await makeNamespace()
    await using nft = await Nftables.open({ netns: namespace.path })
    const inTable = { family: 'ip', table: 'a' } as const
    const tx = nft.transaction()
    tx.add.table({ family: 'ip', name: 'a' })
    tx.add.chain({ ...inTable, name: 'in', hook: 'input' })
    tx.add.chain({ ...inTable, name: 'pre', type: 'nat', hook: 'prerouting' })
    tx.add.chain({ ...inTable, name: 'post', type: 'nat', hook: 'postrouting' })
    tx.add.set({ ...inTable, name: 'marks', key: 'mark', flags: ['eval'], size: 10 })
    tx.add.object({ ...inTable, name: 'few', objectType: 'connlimit', data: { count: 5, flags: [] } })
    tx.add.table({ family: 'netdev', name: 'a' })
    tx.add.chain({ family: 'netdev', table: 'a', name: 'netdev', hook: 'ingress', devices: ['lo'] })
    tx.add.object({ family: 'netdev', table: 'a', name: 'far', objectType: 6, data: NFTA_TUNNEL_KEY })
    tx.add.rule({ family: chain === 'netdev' ? 'netdev' : 'ip', table: 'a', chain, expressions })
    if (isRefused?.() === true) {
      expect(await rejection<NetlinkError>(tx.commit())).toMatchObject({
        code: 'EOPNOTSUPP',
        field: `expressions[${expressions.length - 1}]`
      })
      return
    }
    await tx.commit()
    const { to, listed } = await copyRuleset(namespace)
    for (const name of usedNames(listed)) used.add(name)
    const plain = ({ rules, objects }: Ruleset): unknown => [...rules, ...objects].map((object) => ({ ...object, handle: 0n }))
    expect(plain(await listRuleset(to))).toEqual(plain(listed))
  })
})

/** What no rule shows, whatever the kernel. */
const unshown: readonly { readonly name: string; readonly why: string; readonly expressions?: readonly Expression[] }[] = [
  { name: 'dynset.flags=expression', why: 'nft_dynset_dump leaves it out, and it is added where it is needed' }
]

describe('the rulesets', () => {
  it.each(unshown.filter(({ expressions }) => expressions !== undefined))('cannot have $name: $why', async ({ expressions }) => {
    const { path: netns } = await makeNamespace()
    await using nft = await Nftables.open({ netns })
    const tx = nft.transaction()
    tx.add.table({ family: 'ip', name: 'a' })
    tx.add.chain({ family: 'ip', table: 'a', name: 'c' })
    tx.add.rule({ family: 'ip', table: 'a', chain: 'c', expressions: expressions! })
    expect(await rejection<NetlinkError>(tx.commit())).toMatchObject({ code: 'EOPNOTSUPP' })
  })

  it('use everything else that expressions can say', () => {
    const isExcused = (name: string): boolean =>
      unshown.some((each) => each.name === name) || optional.some(({ names, isThere }) => names.test(name) && isThere() !== true)
    const missing = knownNames().filter((name) => !used.has(name) && !isExcused(name))
    expect(isComplete ? missing : []).toEqual([])
    expect(unshown.filter(({ name }) => used.has(name))).toEqual([])
    for (const name of ['exthdr', 'osf', 'rt', 'socket', 'tproxy', 'synproxy', 'xfrm', 'fwd', 'dup', 'match', 'target', 'last'])
      expect(used).toContain(name)
  })
})
