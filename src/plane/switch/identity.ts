/**
 * By what a plane's objects in the kernel are known.
 */
import { PLANE_MODES, type PlaneMode } from '../options.js'

/** Whose objects they are. */
export interface PlaneIdentity {
  readonly mode: PlaneMode
  /** Undefined in mode `iptables`, which has none. */
  readonly name: string | undefined
}

const DEFAULT_NAME = 'netplane'
/** What a name may have, whatever the mode. */
const WORDS = /^(\w+)(?: ([A-Za-z][A-Za-z0-9_-]*))?$/

/** Of a plane of a mode, by the option `name` of it or of another mode. */
export function identityOf(mode: PlaneMode, name: string | undefined): PlaneIdentity {
  return { mode, name: mode === 'iptables' ? undefined : (name ?? DEFAULT_NAME) }
}

/** As {@link parseIdentity} reads it; the same for the same planes. */
export function formatIdentity({ mode, name }: PlaneIdentity): string {
  return name === undefined ? mode : `${mode} ${name}`
}

/** Undefined: it is none that this version knows. */
export function parseIdentity(text: string): PlaneIdentity | undefined {
  const [, word, name] = WORDS.exec(text) ?? []
  const mode = PLANE_MODES.find((one) => one === word)
  return mode === undefined || (mode === 'iptables') !== (name === undefined) ? undefined : { mode, name }
}

/** Planes without some, each once. */
export function withoutPlanes(planes: Iterable<PlaneIdentity>, others: readonly PlaneIdentity[]): PlaneIdentity[] {
  const gone = new Set(others.map(formatIdentity))
  return [...new Map([...planes].map((plane) => [formatIdentity(plane), plane])).values()].filter(
    (plane) => !gone.has(formatIdentity(plane))
  )
}
