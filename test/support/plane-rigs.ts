/**
 * Kernels for planes, real ones and fakes, on which one suite of sentences runs.
 */
import { onTestFinished } from 'vitest'
import { fakeOf } from '../../src/core/open.js'
import { Ipvs, Nftables, openPlane, Route, type Plane, type PlaneOptions, type SetElement } from '../../src/index.js'
import { loadAddon } from '../../src/native/index.js'
import { virtualServiceName } from '../../src/plane/ipvs/compile.js'
import type { IpvsPlaneOptions } from '../../src/plane/ipvs/options.js'
import type { Service } from '../../src/plane/model.js'
import { FakeIpvsKernel, FakeNftablesKernel, FakeRouteKernel } from '../../src/testing.js'
import { mayUseIpvs } from './lab.js'
import { makeNamespace } from './namespace.js'

/** Options that every plane has, and one of those that write elements. */
export type RigOptions = Pick<PlaneOptions, 'auditMs' | 'staleFlows' | 'deadlineMs'> &
  Pick<IpvsPlaneOptions, 'localSources' | 'transactionMs'>

/** What stands for the kernel of a plane: fakes, or nothing. */
export interface RigKernel {
  readonly nftables: FakeNftablesKernel
  readonly ipvs: FakeIpvsKernel
  readonly route: FakeRouteKernel
}

/** One empty kernel. */
export interface Rig {
  readonly mode: 'nftables' | 'ipvs' | 'iptables' | 'userspace'
  /** The tables of a plane that was opened without a name. */
  readonly table: string
  /** Opens a plane; more than one is like a process that starts again. */
  open(options?: RigOptions): Promise<Plane>
  /** As {@link Rig.open}; nobody closes the plane. */
  openLoosely(): Promise<Plane>
  nftables(): Promise<Nftables>
  route(): Promise<Route>
  ipvs(): Promise<Ipvs>
  /** Makes something that has a name of the plane's, and is not its own. */
  occupy(): Promise<void>
}

/** Makes empty kernels of one kind. */
export interface RigKind {
  readonly name: string
  readonly mode: Rig['mode']
  make(): Promise<Rig>
}

/** Closes what a test opened when it ends. */
export async function closing<T extends { close(): Promise<void> }>(opening: Promise<T>): Promise<T> {
  const opened = await opening
  onTestFinished(() => opened.close())
  return opened
}

/** The tables of a plane that was opened without a name; of iptables one of those that it has its chains in. */
export const tableOf = (mode: Rig['mode']): string =>
  ({ nftables: 'netplane', ipvs: 'netplane-ipvs', iptables: 'nat', userspace: 'netplane-userspace' })[mode]

/** What opens clients beside a plane. */
interface Clients {
  readonly nftables: { open(): Promise<Nftables> }
  readonly route: { open(): Promise<Route> }
  readonly ipvs: { open(): Promise<Ipvs> }
}

const clientsIn = (netns: string): Clients => ({
  nftables: { open: () => Nftables.open({ netns }) },
  route: { open: () => Route.open({ netns }) },
  ipvs: { open: () => Ipvs.open({ netns }) }
})

/** @param place Where planes are. */
function rigOn(mode: Rig['mode'], place: Pick<IpvsPlaneOptions, 'netns' | 'kernel'>, clients: Clients, common: RigOptions = {}): Rig {
  const draining = { tcp: 'at-once', udp: 'at-once', sctp: 'at-once' } as const
  const own = {
    nftables: {},
    ipvs: { draining },
    iptables: { schedulerFallback: 'random' },
    userspace: { schedulerFallback: 'random' }
  } as const
  const usual = { ...place, ...own[mode], ...common }
  return {
    mode,
    table: tableOf(mode),
    open: (options = {}) => closing(openPlane({ mode, auditMs: 0, ...usual, ...options })),
    openLoosely: () => openPlane({ mode, auditMs: 0, ...place }),
    nftables: () => closing(clients.nftables.open()),
    route: () => closing(clients.route.open()),
    ipvs: () => closing(clients.ipvs.open()),
    occupy: async () => {
      const tx = (await closing(clients.nftables.open())).transaction()
      const table = { family: 'ip', name: tableOf(mode) } as const
      tx.add.table({ ...table, comment: 'of somebody else' })
      // The tables of iptables are everybody's, and chains without rules nobody's.
      if (mode === 'iptables') {
        const chain = { family: table.family, table: table.name }
        tx.add.chain({ ...chain, name: 'KUBE-SERVICES' })
        tx.add.rule({ ...chain, chain: 'KUBE-SERVICES', expressions: [{ type: 'counter' }] })
      }
      await tx.commit()
    }
  }
}

/** A rig on fakes; `wrap` may put something between the plane and them. */
export function fakeRig(mode: Rig['mode'], wrap: (kernel: RigKernel) => RigKernel = (kernel) => kernel): Rig {
  const kernel = { nftables: new FakeNftablesKernel(), ipvs: new FakeIpvsKernel(), route: new FakeRouteKernel() }
  return rigOn(mode, { kernel: wrap(kernel) }, kernel)
}

async function kernelRig(mode: Rig['mode']): Promise<Rig> {
  const { path } = await makeNamespace()
  return rigOn(mode, { netns: path }, clientsIn(path), { staleFlows: false })
}

/** Fakes of IPVS and of links beside the kernel's own nf_tables: what stands beside IPVS, where the kernel has no IPVS. */
async function mixedRig(): Promise<Rig> {
  const { path } = await makeNamespace()
  const fakes = { ipvs: new FakeIpvsKernel(), route: new FakeRouteKernel() }
  return rigOn('ipvs', { netns: path, kernel: { ...fakes, nftables: fakeOf('nftables', loadAddon()) } }, { ...clientsIn(path), ...fakes })
}

/** The kernel's nf_tables without its links, and relays at loopback addresses of this process: each rig has a namespace of its own, in which relays cannot listen. */
async function relayRig(): Promise<Rig> {
  const { path } = await makeNamespace()
  const route = new FakeRouteKernel()
  return rigOn(
    'userspace',
    { netns: path, kernel: { ipvs: new FakeIpvsKernel(), route, nftables: fakeOf('nftables', loadAddon()) } },
    { ...clientsIn(path), route }
  )
}

const fakeKinds: readonly RigKind[] = (['nftables', 'ipvs', 'iptables', 'userspace'] as const).map((mode) => ({
  name: `${mode} on the fakes`,
  mode,
  make: () => Promise.resolve(fakeRig(mode))
}))

/** The fakes, and what this machine's kernel has. */
export const rigKinds: readonly RigKind[] = [
  ...fakeKinds,
  { name: "ipvs on fakes and the kernel's nf_tables", mode: 'ipvs', make: mixedRig },
  { name: "userspace on the kernel's nf_tables", mode: 'userspace', make: relayRig },
  ...(['nftables', 'iptables', ...(mayUseIpvs() ? ['ipvs' as const] : [])] as const).map((mode) => ({
    name: `${mode} on the kernel`,
    mode,
    make: () => kernelRig(mode)
  }))
]

/** Text about tables without what depends on history: which of its two names a map has. */
export function withoutTurns(text: string): string {
  return text.replaceAll(/(endpoints-[0-9a-z-]*(?:[0-9]|-sticky))-b/g, '$1')
}

/** An element without the port of a relay, which depends on who listened before. */
function withoutPorts(set: string, { key, data, comment }: SetElement): Pick<SetElement, 'key' | 'data' | 'comment'> {
  if (set === 'relay-ports') return { key: (key as readonly unknown[])[0] as string, comment }
  return { key, data: /^(node-)?relays/.test(set) ? undefined : data, comment }
}

async function dumpTables(rig: Rig): Promise<string[]> {
  const nft = await rig.nftables()
  const ruleset = await nft.list({ elements: true })
  const plain = (value: unknown): string =>
    withoutTurns(
      JSON.stringify(value, (_, field: unknown) => {
        if (typeof field === 'bigint') return undefined
        return field instanceof Uint8Array ? Buffer.from(field).toString('hex') : field
      })
    )
  const where = ({ family, table }: { family: string; table: string }): string => `${family} ${table}`
  const lines = [
    ...ruleset.tables.map(({ family, name, comment, flags }) => `table ${family} ${name} ${comment ?? ''} ${(flags ?? []).join()}`),
    ...ruleset.chains.map(
      (chain) => `chain ${where(chain)} ${chain.name} ${chain.hook ?? ''} ${plain(chain.priority ?? '')} ${chain.policy ?? ''}`
    ),
    ...ruleset.sets.map((set) => `set ${where(set)} ${plain(set.name)}`),
    ...ruleset.elements.flatMap((listed) =>
      [...listed].map((element) => {
        const { key, data, comment } = withoutPorts(listed.set.name, element)
        return `element ${where(listed.set)} ${plain([listed.set.name, key, data, comment])}`
      })
    )
  ]
  // Rules that ask sets stand in the order in which their sets came, and those of services in chains that they share likewise.
  const rules = new Map<string, string[]>()
  for (const rule of ruleset.rules) {
    const name = `rule ${where(rule)} ${rule.chain}`
    rules.set(name, [...(rules.get(name) ?? []), plain(rule.expressions)])
  }
  for (const [name, texts] of rules)
    lines.push(
      ...(/ (learn|(node-)?services(-indirect|-outside)?|KUBE-(SERVICES|NODEPORTS|EXTERNAL-SERVICES|CLUSTER-IPS|PROXY-FIREWALL))$/.test(
        name
      )
        ? texts.sort()
        : texts
      ).map((text, at) => `${name} ${at} ${text}`)
    )
  return lines
}

async function dumpIpvs(rig: Rig): Promise<string[]> {
  const [ipvs, route] = [await rig.ipvs(), await rig.route()]
  const services = (await ipvs.list()).flatMap(({ scheduler, flags, realServers, persistence, ...service }) => {
    const name = `virtual service ${virtualServiceName(service)}`
    return [
      `${name} ${scheduler} ${flags.join()} ${persistence?.timeoutSeconds ?? ''}`,
      ...realServers.map((server) => `${name} -> ${server.address} ${server.port} ${server.weight}`)
    ]
  })
  const links = (await route.listLinks()).filter(({ name }) => name !== 'lo')
  const lines = [...services]
  for (const { name, kind, isUp, hardwareAddress } of links) {
    lines.push(`link ${name} ${kind ?? ''} ${String(isUp)} ${hardwareAddress ?? ''}`)
    const addresses = (await route.listAddresses({ link: name })).filter(({ scope }) => scope !== 'link')
    lines.push(...addresses.map(({ address, prefixLength }) => `address ${name} ${address}/${prefixLength}`))
  }
  return lines
}

/** Everything that the kernel holds, whatever its history. */
export async function dump(rig: Rig): Promise<string[]> {
  return [...(await dumpTables(rig)), ...(rig.mode === 'ipvs' ? await dumpIpvs(rig) : [])].sort()
}

/** What a plane that knows nothing of history leaves in an empty kernel. */
export async function freshDump(rig: Rig, services: ReadonlyMap<string, Service>, options: RigOptions = {}): Promise<string[]> {
  const plane = await rig.open(options)
  await plane.sync(services)
  return await dump(rig)
}
