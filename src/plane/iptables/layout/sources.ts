/**
 * Who is a local client, and whose connections get a source address of this node.
 */
import type { IptablesFamily, IptablesRule } from '../../../iptables/index.js'
import { MAX_DEVICE_NAME, type LocalSources } from '../../core/local-sources.js'
import { prefixesOf } from '../../core/ranges.js'
import { CHAIN } from './names.js'
import type { LayoutSettings } from './settings.js'
import { rule, type Asked } from './words.js'

/** A link, or those whose names begin so. A name of full length begins no other one. */
function linkOf({ name, isPrefix }: LocalSources & { readonly by: 'interface' }): string {
  return isPrefix && name.length < MAX_DEVICE_NAME ? `${name}+` : name
}

const EVERYBODY = /\/0$/

type ByFamily = Readonly<Record<IptablesFamily, readonly Asked[]>>

function askedOf(localSources: LocalSources): ByFamily {
  if (localSources.by === 'interface') {
    const asked = [{ inInterface: linkOf(localSources) }]
    return { ip: asked, ip6: asked }
  }
  const of = (family: IptablesFamily): readonly Asked[] => prefixesOf(localSources.ranges[family]).map((source) => ({ source }))
  return { ip: of('ip'), ip6: of('ip6') }
}

/** Every service asks. */
const made = new WeakMap<LocalSources, ByFamily>()
const NOBODY: readonly Asked[] = []

/** What packets of local clients have, one after the other; nobody is one where there is nothing. */
export function fromLocal(family: IptablesFamily, { localSources }: Pick<LayoutSettings, 'localSources'>): readonly Asked[] {
  if (localSources === undefined) return NOBODY
  const known = made.get(localSources) ?? askedOf(localSources)
  made.set(localSources, known)
  return known[family]
}

/** What packets to cluster addresses must have to get a source address of this node, and the chain that marks them. */
export interface Marking {
  readonly asked: Asked
  readonly chain: string
}

function ofOthers(local: readonly Asked[]): Marking | undefined {
  const [{ source, inInterface } = {}] = local
  if (local.length > 1) return { asked: {}, chain: CHAIN.markNonLocal }
  if (typeof inInterface === 'string') return { asked: { inInterface: { not: inInterface } }, chain: CHAIN.mark }
  if (typeof source !== 'string') return { asked: {}, chain: CHAIN.mark }
  return EVERYBODY.test(source) ? undefined : { asked: { source: { not: source } }, chain: CHAIN.mark }
}

/** Which packets to cluster addresses get a source address of this node; undefined: none. */
export function markingOf(family: IptablesFamily, settings: Pick<LayoutSettings, 'localSources' | 'masquerade'>): Marking | undefined {
  if (settings.masquerade === 'never') return undefined
  return ofOthers(settings.masquerade === 'all' ? [] : fromLocal(family, settings))
}

/** The rules of the chain that marks packets of no local client; undefined where no rule leads there. */
export function nonLocalRules(family: IptablesFamily, settings: LayoutSettings): readonly IptablesRule[] | undefined {
  if (markingOf(family, settings)?.chain !== CHAIN.markNonLocal) return undefined
  return [...fromLocal(family, settings).map((asked) => rule(asked, [], 'RETURN')), rule({}, [], { jump: CHAIN.mark })]
}
