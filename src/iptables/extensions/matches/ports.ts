/**
 * Options of the command line for the ports of a packet, which `tcp`, `udp` and `sctp` share.
 */
import { valueOf } from '../flags.js'
import type { Invertible } from '../invertible.js'
import { MAX_PORT, PORTS, requireRange, type NumberRange } from '../ranges.js'
import { invertibleOption } from '../words.js'

const SOURCE = invertibleOption('sourcePort', PORTS)
const DESTINATION = invertibleOption('destinationPort', PORTS)

/** Their readers. */
export const PORT_OPTIONS = {
  '--source-port': SOURCE,
  '--sport': SOURCE,
  '--destination-port': DESTINATION,
  '--dport': DESTINATION
} as const

/** What options say of ports. */
interface GivenPorts {
  readonly sourcePort?: Invertible<NumberRange>
  readonly destinationPort?: Invertible<NumberRange>
}

type Bounds = ReturnType<typeof requireRange> | undefined

/** First and last port of both sides; undefined: it is not asked for. @throws {ValidationError} */
export function requirePorts({ sourcePort, destinationPort }: GivenPorts): Readonly<Record<'sourcePorts' | 'destinationPorts', Bounds>> {
  return {
    sourcePorts: valueOf(sourcePort, (ports) => requireRange('sourcePort', ports, MAX_PORT)),
    destinationPorts: valueOf(destinationPort, (ports) => requireRange('destinationPort', ports, MAX_PORT))
  }
}
