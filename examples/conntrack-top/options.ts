import { parseArgs } from 'node:util'
import type { Conntrack } from 'netplane'

export const USAGE = `Usage: conntrack-top [options]

Shows the connections that the kernel tracks: who moves most, live in one table.

  --interval SECONDS   between two readings, 0.1 to 3600 (default: 2)
  --sort KEY           rate, packets, total or timeout (default: rate; timeout while bytes are not counted)
  --protocol NAME      only this protocol: tcp, udp, sctp, icmp, icmpv6, gre … or a number
  --address ADDRESS    only flows with this address or prefix on any side
  --port PORT          only flows with this port on any side
  --netns NAMESPACE    network namespace: path, name or process id (default: this process's)
  --accounting         turn the counting of packets and bytes on: of flows that begin from now on; it stays on
  --once               print one table and end, after two readings where bytes are counted
  --json               with --once: print JSON
  --limit ROWS         with --once: so many flows, 0: all (default: 20)
  --help               this text

Keys: q quits, p pauses, s sorts by the next key.
`

export const SORT_KEYS = ['rate', 'packets', 'total', 'timeout'] as const
export type SortKey = (typeof SORT_KEYS)[number]

/** A filter of `Conntrack`'s methods. */
type Filters = Extract<NonNullable<NonNullable<Parameters<Conntrack['listColumns']>[0]>['filter']>, readonly unknown[]>
type Filter = Filters[number]

/** The command line, read. */
export interface TopOptions {
  readonly intervalSeconds: number
  /** Undefined: whatever suits. */
  readonly sort: SortKey | undefined
  /** Flows must match one of them; undefined: all flows. */
  readonly filter: Filters | undefined
  readonly netns: string | number | undefined
  readonly accounting: boolean
  readonly once: boolean
  readonly json: boolean
  readonly limit: number
  readonly help: boolean
}

function numberOf(name: string, text: string, min: number, max: number, isWhole = true): number {
  const value = text.trim() === '' ? Number.NaN : Number(text)
  if (value >= min && value <= max && (!isWhole || Number.isInteger(value))) return value
  throw new Error(`--${name} ${text}: a ${isWhole ? 'whole ' : ''}number from ${min} to ${max} is wanted`)
}

function sortOf(text: string): SortKey {
  const key = SORT_KEYS.find((candidate) => candidate === text)
  if (key === undefined) throw new Error(`--sort ${text}: one of ${SORT_KEYS.join(', ')} is wanted`)
  return key
}

const ADDRESS_SIDES = ['originalSource', 'originalDestination', 'replySource', 'replyDestination'] as const
const PORT_SIDES = ['originalSourcePort', 'originalDestinationPort', 'replySourcePort', 'replyDestinationPort'] as const

/** "On any side" as a list of filters, one for every side, or pair of sides. */
function filterOf({ protocol, address, port }: Readonly<Record<'protocol' | 'address' | 'port', string | undefined>>): Filters | undefined {
  if (protocol === undefined && address === undefined && port === undefined) return undefined
  const named = protocol !== undefined && /^[0-9]+$/.test(protocol) ? Number(protocol) : protocol
  const number = port === undefined ? undefined : numberOf('port', port, 0, 65_535)
  const base = { ...(named !== undefined && { protocol: named }) } as Filter
  const addresses: Filter[] = address === undefined ? [base] : ADDRESS_SIDES.map((side) => ({ ...base, [side]: address }))
  return number === undefined ? addresses : addresses.flatMap((filter) => PORT_SIDES.map((side) => ({ ...filter, [side]: number })))
}

/** Reads the command line. Protocols and addresses are left for `Conntrack` to judge. @throws Error with words for the user. */
export function parseOptions(args: readonly string[]): TopOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      interval: { type: 'string', default: '2' },
      sort: { type: 'string' },
      protocol: { type: 'string' },
      address: { type: 'string' },
      port: { type: 'string' },
      netns: { type: 'string' },
      accounting: { type: 'boolean', default: false },
      once: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      limit: { type: 'string' },
      help: { type: 'boolean', default: false }
    }
  })
  if (values.json && !values.once) throw new Error('--json needs --once')
  if (values.limit !== undefined && !values.once) throw new Error('--limit needs --once; the live table is as long as the terminal')
  return {
    intervalSeconds: numberOf('interval', values.interval, 0.1, 3600, false),
    sort: values.sort === undefined ? undefined : sortOf(values.sort),
    filter: filterOf({ protocol: values.protocol, address: values.address, port: values.port }),
    netns: values.netns !== undefined && /^[0-9]+$/.test(values.netns) ? Number(values.netns) : values.netns,
    accounting: values.accounting,
    once: values.once,
    json: values.json,
    limit: numberOf('limit', values.limit ?? '20', 0, 10_000_000),
    help: values.help
  }
}
