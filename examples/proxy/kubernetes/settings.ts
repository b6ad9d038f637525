/** What a Service may ask of netplane beyond what Kubernetes knows: an annotation, or a label where its values allow that. */
import { normalize } from './addresses.js'
import type { KubernetesService, SliceEndpoint } from './types.js'

/** What they are called, as annotations and as labels. */
export const SETTINGS = {
  /** The scheduler of a service. */
  scheduler: 'netplane/scheduler',
  /** Services with a higher number are written first. */
  priority: 'netplane/priority',
  /** Weights of endpoints by their addresses, nodes and zones: `zone-a=3, node-7=0`. An annotation alone. */
  weights: 'netplane/weights',
  /** Seconds for which the connections of removed endpoints may go on. */
  drainDeadline: 'netplane/drain-deadline-seconds'
} as const

/** Weights that are an endpoint's at most (the model's). */
const MAX_WEIGHT = 65_535
/** Characters of a wrong pair that are told: an annotation may have a quarter of a megabyte. */
const EXCERPT = 300
/** An address, or the name of a node or a zone, and a weight. */
const PAIR = /^([A-Za-z0-9][A-Za-z0-9._:-]*)=(\d{1,5})$/

/** What a service says; where an annotation and a label are there, the annotation counts. */
export function settingOf({ metadata: { annotations, labels } }: KubernetesService, setting: keyof typeof SETTINGS): string | undefined {
  const name = SETTINGS[setting]
  return annotations?.[name] ?? (setting === 'weights' ? undefined : labels?.[name]) ?? undefined
}

const pairsOf = (text: string): string[] =>
  text
    .split(',')
    .map((pair) => pair.trim())
    .filter((pair) => pair !== '')

function readPair(pair: string): readonly [of: string, weight: number] | undefined {
  const [, of, number] = PAIR.exec(pair) ?? []
  return of === undefined || Number(number) > MAX_WEIGHT ? undefined : [normalize(of), Number(number)]
}

/** A text of a Service, as problems tell it. */
export function quote(text: string): string {
  return JSON.stringify(text.length > EXCERPT ? `${text.slice(0, EXCERPT)}…` : text)
}

/** What is wrong with the weights that a service says; undefined: nothing. */
export function weightsProblem(path: string, text: string): string | undefined {
  const pairs = pairsOf(text)
  const wrong = pairs.find((pair) => readPair(pair) === undefined)
  if (wrong !== undefined) return `${path} has ${quote(wrong)}: an address, a node or a zone, = and 0-${MAX_WEIGHT} is wanted`
  const seen = new Set<string>()
  for (const pair of pairs) {
    const [name] = readPair(pair)!
    if (seen.has(name)) return `${path} has ${quote(name)} twice`
    seen.add(name)
  }
  return undefined
}

/** The weight that a service gives an endpoint; undefined: none. */
export type WeightOf = (endpoint: Pick<SliceEndpoint, 'addresses' | 'nodeName' | 'zone'>) => number | undefined

/** Weights as a service says, whose weights are well: those of an address before those of a node, and these before those of a zone. */
export function weightsOf(service: KubernetesService): WeightOf | undefined {
  const text = settingOf(service, 'weights')
  if (text === undefined) return undefined
  const weights = new Map(pairsOf(text).map((pair) => readPair(pair)!))
  return ({ addresses, nodeName, zone }) => {
    for (const name of [normalize(addresses?.[0] ?? ''), nodeName, zone]) {
      const weight = weights.get(name ?? '')
      if (weight !== undefined) return weight
    }
    return undefined
  }
}
