/**
 * Ports as lists of ranges, in the form of the system setting `net.ipv4.ip_local_reserved_ports`.
 */
import { requireFields, requireInteger, requireKnown } from '../../../core/checks.js'
import { ValidationError } from '../../../core/errors.js'

/** Ports from the first to the last one. */
export interface PortRange {
  /** 1–65535. */
  readonly from: number
  /** 1–65535, not below `from`. */
  readonly to: number
}

const PORTS = 65_536
/** More ranges than anybody needs; each is a few bytes of the setting. */
const MAX_RANGES = 64

/** A set of ports. */
export class Ports {
  readonly #has = new Uint8Array(PORTS)

  static of(ranges: Iterable<PortRange>): Ports {
    const ports = new Ports()
    for (const { from, to } of ranges) ports.#has.fill(1, from, to + 1)
    return ports
  }

  /** Reads `8080,30000-32767`; what is no port or range is passed over. */
  static parse(text: string): Ports {
    const ranges = text.split(',').flatMap((part) => {
      const found = /^\s*(\d{1,5})(?:-(\d{1,5}))?\s*$/.exec(part)
      if (found === null) return []
      const [from, to] = [Number(found[1]), Number(found[2] ?? found[1])]
      return to < PORTS && from <= to ? [{ from, to }] : []
    })
    return Ports.of(ranges)
  }

  get isEmpty(): boolean {
    return !this.#has.includes(1)
  }

  /** Ports that are in one of both. */
  with(other: Ports): Ports {
    return this.#combine(other, (mine, others) => mine | others)
  }

  /** Ports that are in this one alone. */
  without(other: Ports): Ports {
    return this.#combine(other, (mine, others) => mine & (1 - others))
  }

  /** In ascending order, as few as there can be. */
  ranges(): PortRange[] {
    const ranges: PortRange[] = []
    for (let from = this.#has.indexOf(1); from >= 0; from = this.#has.indexOf(1, from)) {
      const end = this.#has.indexOf(0, from)
      const to = end < 0 ? PORTS - 1 : end - 1
      ranges.push({ from, to })
      from = to + 1
    }
    return ranges
  }

  /** As {@link Ports.parse} reads it. */
  toString(): string {
    return this.ranges()
      .map(({ from, to }) => (from === to ? String(from) : `${from}-${to}`))
      .join(',')
  }

  #combine(other: Ports, operation: (mine: number, others: number) => number): Ports {
    const combined = new Ports()
    for (let port = 0; port < PORTS; port++) combined.#has[port] = operation(this.#has[port]!, other.#has[port]!)
    return combined
  }
}

/** Checks an option that is a list of ranges. @throws {ValidationError} */
export function checkPorts(path: string, option: readonly PortRange[] | undefined): Ports | undefined {
  if (option === undefined) return undefined
  if (!Array.isArray(option) || option.length === 0 || option.length > MAX_RANGES)
    throw new ValidationError(path, option, `a list of 1 to ${MAX_RANGES} ranges: { from, to }`)
  for (const [index, range] of option.entries()) {
    const at = `${path}[${index}]`
    requireKnown(`${at}.`, requireFields(at, range, '{ from, to }'), ['from', 'to'])
    const { from, to } = range as PortRange
    requireInteger(`${at}.to`, to, requireInteger(`${at}.from`, from, 1, PORTS - 1), PORTS - 1)
  }
  return Ports.of(option as readonly PortRange[])
}

/** Checks option `reserveNodePorts`. @throws {ValidationError} */
export function checkReservation(option: readonly PortRange[] | undefined): Ports | undefined {
  return checkPorts('reserveNodePorts', option)
}
