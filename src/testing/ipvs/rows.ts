/**
 * What the fake of the IPVS kernel holds, and how it looks to the client.
 */
import { NO_SYMBOL } from '../../core/columns.js'
import { ADDRESS_WIDTH } from '../../ipvs/column-forms.js'
import type { NativeColumns } from '../../native/index.js'

const keyColumns = { family: Uint8Array, protocol: Uint8Array, port: Uint16Array, fwmark: Uint32Array } as const
const serviceColumns = { ...keyColumns, flags: Uint32Array, timeoutSeconds: Uint32Array, netmask: Uint32Array } as const
const serverColumns = {
  service: Uint32Array,
  family: Uint8Array,
  port: Uint16Array,
  forwarding: Uint8Array,
  weight: Uint32Array,
  upperThreshold: Uint32Array,
  lowerThreshold: Uint32Array,
  tunnelType: Uint8Array,
  tunnelPort: Uint16Array,
  tunnelFlags: Uint16Array,
  activeConnections: Uint32Array,
  inactiveConnections: Uint32Array,
  persistentConnections: Uint32Array
} as const

/** A row as numbers by column; what the columns did not have is 0. */
type Numbers = Record<string, number>

/** A real server. */
export interface FakeServer {
  readonly address: Uint8Array
  readonly numbers: Numbers
}

/** A virtual service with its real servers, the newest first as in the kernel. */
export interface FakeService {
  readonly address: Uint8Array
  readonly numbers: Numbers
  readonly scheduler: string
  readonly engine: string | undefined
  servers: Map<string, FakeServer>
}

function numbersAt(columns: NativeColumns, row: number, names: object): Numbers {
  return Object.fromEntries(
    Object.keys(names).map((name) => [name, (columns[name] as Uint8Array | Uint16Array | Uint32Array | undefined)?.[row] ?? 0])
  )
}

function addressAt(columns: NativeColumns, row: number): Uint8Array {
  return (columns.address as Uint8Array).slice(row * ADDRESS_WIDTH, (row + 1) * ADDRESS_WIDTH)
}

function symbolAt(columns: NativeColumns, name: string, row: number): string | undefined {
  const index = (columns[name] as Uint32Array | undefined)?.[row] ?? NO_SYMBOL
  return (columns[`${name}Table`] as readonly string[] | undefined)?.[index]
}

/** What tells the row's service apart from others. */
export function serviceKey(columns: NativeColumns, row: number): string {
  const numbers = numbersAt(columns, row, keyColumns)
  return [...Object.values(numbers), ...addressAt(columns, row)].join()
}

/** What tells the row's real server apart from others of its service. */
export function serverKey(columns: NativeColumns, row: number): string {
  const { family, port } = numbersAt(columns, row, serverColumns)
  return [family, port, ...addressAt(columns, row)].join()
}

export function serviceAt(columns: NativeColumns, row: number): FakeService {
  return {
    address: addressAt(columns, row),
    numbers: numbersAt(columns, row, serviceColumns),
    scheduler: symbolAt(columns, 'scheduler', row) ?? '',
    engine: symbolAt(columns, 'persistenceEngine', row),
    servers: new Map()
  }
}

export function serverAt(columns: NativeColumns, row: number): FakeServer {
  return { address: addressAt(columns, row), numbers: numbersAt(columns, row, serverColumns) }
}

interface NumberArray {
  new (length: number): Uint8Array | Uint16Array | Uint32Array
}

/** No packet passes a fake, and where nobody has counted anything a listing has no columns of statistics. */
function columnsOf(rows: readonly FakeServer[], types: Readonly<Record<string, NumberArray>>): NativeColumns {
  const address = new Uint8Array(rows.length * ADDRESS_WIDTH)
  for (const [at, row] of rows.entries()) address.set(row.address, at * ADDRESS_WIDTH)
  const arrays = Object.entries(types).map(([name, Type]): [string, unknown] => {
    const column = new Type(rows.length)
    for (const [at, { numbers }] of rows.entries()) column[at] = numbers[name] ?? 0
    return [name, column]
  })
  return { rows: rows.length, address, ...(Object.fromEntries(arrays) as Record<string, unknown>) }
}

function symbolColumn(name: string, texts: readonly (string | undefined)[]): Record<string, unknown> {
  const table = [...new Set(texts.filter((text) => text !== undefined))]
  const indexes = Uint32Array.from(texts, (text) => (text === undefined ? NO_SYMBOL : table.indexOf(text)))
  return { [name]: indexes, [`${name}Table`]: table }
}

/** Services as a listing has them. */
export function listedServices(services: readonly FakeService[]): NativeColumns {
  return {
    ...columnsOf(services, serviceColumns),
    ...symbolColumn(
      'scheduler',
      services.map(({ scheduler }) => scheduler)
    ),
    ...symbolColumn(
      'persistenceEngine',
      services.map(({ engine }) => engine)
    )
  }
}

/** Their real servers as a listing has them. */
export function listedServers(services: readonly FakeService[]): NativeColumns {
  const rows = services.flatMap(({ servers }, service) =>
    [...servers.values()].reverse().map(({ address, numbers }) => ({ address, numbers: { ...numbers, service } }))
  )
  return columnsOf(rows, serverColumns)
}
