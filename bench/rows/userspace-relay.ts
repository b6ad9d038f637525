import type { Bench } from '../frame/bench.js'
import type { RelayLoad } from '../frame/relay.js'
import type { Bar, Contenders, Row } from '../frame/row.js'

/** A load, through a relay of the userspace plane and without one. */
interface RelayRow extends Pick<Row, 'name' | 'unit' | 'about' | 'rounds'> {
  readonly bar: Bar
  readonly load: RelayLoad
  readonly amount: number
}

const mebibyte = 2 ** 20

function besidePlainPair({ load, amount, ...row }: RelayRow): Row {
  const prepare = (bench: Bench): Promise<Contenders> => {
    const once =
      (isRelayed: boolean) =>
      async (place: Parameters<Contenders['ours']>[0]): Promise<number> =>
        (await bench.relay(place, { load, amount, isRelayed })).result
    return Promise.resolve({ ours: once(true), floor: once(false), peers: {} })
  }
  return { ...row, needs: ['nsenter'], prepare }
}

const megabytes = 256
const shortConnections = 4_000
const keptConnections = 5_000

const memoryRow: Row = {
  name: 'userspace-relay-memory',
  unit: 'MiB',
  about: `resident size of the process that relays ${keptConnections} open connections, Node itself included`,
  bar: { oursAtMost: 200 },
  rounds: 3,
  needs: ['nsenter'],
  prepare: (bench) =>
    Promise.resolve({
      ours: async (place) => {
        const { result, residentBytes } = await bench.relay(place, { load: 'hold', amount: keptConnections, isRelayed: true })
        if (result !== keptConnections) throw new Error(`${result} of ${keptConnections} connections are open`)
        return residentBytes / mebibyte
      },
      peers: {}
    })
}

/** What a relay costs, the floor being the same client and server without it, each in a process of its own. */
export const userspaceRelayRows: readonly Row[] = [
  besidePlainPair({
    name: 'userspace-relay',
    unit: 'ms',
    about: `echo ${megabytes} MiB over one connection on the loopback device`,
    // 60 % of the throughput.
    bar: { timesFloorAtMost: 1.67 },
    rounds: 7,
    load: 'echo',
    amount: megabytes * mebibyte
  }),
  besidePlainPair({
    name: 'userspace-relay-connections',
    unit: 'µs',
    about: `a new connection with one byte each way, of ${shortConnections}, 32 at a time`,
    bar: { timesFloorAtMost: 4 },
    rounds: 7,
    load: 'connections',
    amount: shortConnections
  }),
  memoryRow
]
