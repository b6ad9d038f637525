// Two ways from a service's address to the chain that balances over as many endpoints as it has. `powers` is what the plane writes; the others are further ways to lay the same elements out.
import type { ElementTarget, SetElement, SetSpec, Transaction } from 'netplane'
import type { RuleStatement } from 'netplane/nftables'
import type { Netplane } from '../frame/netplane.js'
import type { Subject } from '../frame/subject.js'
import { choicesAmong, classSize } from './plane.js'
import { endpointPort, mixedService, mixedServices, servicePort, type MixedOptions, type MixedService } from './mixed-services.js'

/** `powers`: a set for each size up to 4 and each power of two, looked up one after the other. `sets`: one for each size. `verdict-map`: one map whose elements are `goto`. */
export type DispatchVariant = 'powers' | 'sets' | 'verdict-map'

export interface DispatchOptions extends MixedOptions {
  readonly variant: DispatchVariant
}

/** What changes, and changes back. */
export type DispatchChange = 'swap' | 'size' | 'service'

const at = { family: 'ip', table: 'dispatch' } as const
const frontendKey = ['ipv4_addr', 'inet_proto', 'inet_service'] as const
const vips = { ...at, name: 'vips', key: 'ipv4_addr' } as const
const services = { ...at, name: 'services', key: frontendKey, data: 'verdict' } as const
const membership = (size: number) => ({ ...at, name: `random-${size}`, key: frontendKey }) as const
const endpoints = {
  ...at,
  name: 'endpoints',
  key: [...frontendKey, 'host_integer32'],
  data: ['ipv4_addr', 'inet_service']
} as const satisfies SetSpec
const chunk = 2000

/** The class of services with so many endpoints, under a variant. */
const classOf = (variant: DispatchVariant, size: number): number => (variant === 'powers' ? classSize(size) : size)

type Elements = [target: ElementTarget, elements: SetElement[]]

const keyOf = ({ address }: MixedService): [string, string, number] => [address, 'udp', servicePort]

function slots(service: MixedService, from = 0): Elements {
  const rows = service.endpoints.map((address, slot) => ({ key: [...keyOf(service), slot], data: [address, endpointPort] }))
  return [endpoints, rows.slice(from)]
}

/** What leads to a service's slots. */
function entrance(variant: DispatchVariant, service: MixedService): Elements {
  const size = classOf(variant, service.endpoints.length)
  if (variant !== 'verdict-map') return [membership(size), [{ key: keyOf(service) }]]
  return [services, [{ key: keyOf(service), verdict: 'goto', chain: `lb-${size}` }]]
}

/** The set of addresses that keeps other packets from looking sizes up; the verdict map needs none. */
const addresses = (variant: DispatchVariant, service: MixedService): Elements[] =>
  variant !== 'verdict-map' ? [[vips, [{ key: service.address }]]] : []

function addFrame(
  tx: Transaction,
  { concat, dnat, goto, ip, jump, meta, numgen, rule, th }: Netplane,
  { variant, sizes }: DispatchOptions
): void {
  const frontend = concat(ip.daddr, meta.l4proto, th.dport)
  const chain = (name: string, statements: RuleStatement[]): void => {
    for (const statement of statements) tx.add.rule({ ...at, chain: name, ...rule(statement) })
  }
  tx.add.table({ family: 'ip', name: at.table })
  tx.add.map(endpoints)
  const classes = [...new Set(sizes.map((size) => classOf(variant, size)))]
  for (const name of ['services', ...classes.map((size) => `lb-${size}`)]) tx.add.chain({ ...at, name })
  tx.add.chain({ ...at, name: 'prerouting', type: 'nat', hook: 'prerouting', priority: 'dstnat', policy: 'accept' })
  const choose = (among: number) => dnat(concat(ip.daddr, meta.l4proto, th.dport, numgen.random(among)).map(endpoints))
  for (const size of classes) chain(`lb-${size}`, variant === 'powers' ? choicesAmong(size).map(choose) : [choose(size)])
  if (variant === 'verdict-map') {
    tx.add.map(services)
    chain('prerouting', [frontend.vmap(services)])
    return
  }
  tx.add.set(vips)
  for (const size of classes) {
    tx.add.set(membership(size))
    tx.add.rule({ ...at, chain: 'services', ...rule(frontend.in(membership(size)), goto(`lb-${size}`)) })
  }
  tx.add.rule({ ...at, chain: 'prerouting', ...rule(ip.daddr.in(vips), jump('services')) })
}

type Client = Awaited<ReturnType<Netplane['Nftables']['open']>>

/** Commits one transaction. */
async function commit(nft: Client, remove: readonly Elements[], add: readonly Elements[]): Promise<void> {
  const tx = nft.transaction()
  for (const [target, elements] of remove) tx.delete.elements(target, elements, { exclusive: true })
  for (const [target, elements] of add) tx.add.elements(target, elements, { exclusive: true })
  await tx.commit()
}

/** Loads all services. */
export async function loadDispatch(nft: Client, netplane: Netplane, options: DispatchOptions): Promise<void> {
  const tx = nft.transaction()
  addFrame(tx, netplane, options)
  await tx.commit()
  const all = mixedServices(options)
  for (let from = 0; from < all.length; from += chunk) {
    const part = all.slice(from, from + chunk)
    const bySet = new Map<string, Elements>()
    for (const [target, elements] of part.flatMap((one) => [
      slots(one),
      entrance(options.variant, one),
      ...addresses(options.variant, one)
    ])) {
      const found = bySet.get(target.name)
      if (found === undefined) bySet.set(target.name, [target, elements])
      else found[1].push(...elements)
    }
    await commit(nft, [], [...bySet.values()])
  }
}

/** A change and the way back; both in as many transactions as no packet may notice it takes. */
type Steps = (nft: Client, options: DispatchOptions, index: number) => Promise<void>

const swap: Steps = async (nft, options, index) => {
  const [target, rows] = slots(mixedService(options, index))
  const old = rows.slice(0, 1)
  const other = old.map((row) => ({ ...row, data: ['10.200.0.1', endpointPort] }))
  await commit(nft, [[target, old]], [[target, other]])
  await commit(nft, [[target, other]], [[target, old]])
}

/** One endpoint more, then one less. The sets take a commit more each way: a frontend enters its new set before it leaves the old one. */
const changeSize: Steps = async (nft, options, index) => {
  const { variant } = options
  const small = mixedService(options, index)
  const large = mixedService(options, index, small.endpoints.length + 1)
  const more = slots(large, small.endpoints.length)
  const [toSmall, toLarge] = [entrance(variant, small), entrance(variant, large)]
  if (variant === 'verdict-map') {
    await commit(nft, [toSmall], [more, toLarge])
    await commit(nft, [toLarge], [toSmall])
    await commit(nft, [more], [])
    return
  }
  const isSameClass = toSmall[0].name === toLarge[0].name
  if (isSameClass) {
    await commit(nft, [], [more])
    await commit(nft, [more], [])
    return
  }
  await commit(nft, [], [more, toLarge])
  await commit(nft, [toSmall], [])
  await commit(nft, [], [toSmall])
  await commit(nft, [toLarge], [])
  await commit(nft, [more], [])
}

const addAndRemove: Steps = async (nft, options) => {
  const service = mixedService(options, options.services)
  const way = [entrance(options.variant, service), ...addresses(options.variant, service)]
  await commit(nft, [], [slots(service), ...way])
  await commit(nft, way, [])
  await commit(nft, [slots(service)], [])
}

const steps: Readonly<Record<DispatchChange, Steps>> = { swap, size: changeSize, service: addAndRemove }

/** A change among loaded services, and the way back. */
export const dispatchChange: Subject<DispatchOptions & { readonly change: DispatchChange }> = async (netplane, netns, options) => {
  const nft = await netplane.Nftables.open({ netns })
  await loadDispatch(nft, netplane, options)
  // In the middle; its size and the next larger one are in use.
  const middle = options.services >> 1
  const index = middle - (middle % options.sizes.length)
  return {
    work: () => steps[options.change](nft, options, index),
    close: () => nft.close()
  }
}
