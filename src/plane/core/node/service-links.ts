/**
 * Links that hold addresses of services, which planes of mode `ipvs` have made: this plane, or any other one in the network namespace.
 */
import { createHash } from 'node:crypto'
import type { Link } from '../../../route/index.js'

/** Locally administered; `np`, `l` of netplane. */
const PREFIX = '6e:70:6c:'

/**
 * The hardware address by which a device is known as a plane's: it is there from the moment the device is, which an alias (IFLA_IFALIAS) is not. The last three bytes go by the name that it was made with.
 */
export function deviceMark(name: string): string {
  const hash = createHash('sha256').update(name).digest()
  return PREFIX + [0, 1, 2].map((index) => hash[index]!.toString(16).padStart(2, '0')).join(':')
}

/** Whether a plane has made a link, under whatever name: one that was renamed has the addresses of services still. */
export function isServiceLink({ kind, hardwareAddress }: Pick<Link, 'kind' | 'hardwareAddress'>): boolean {
  return kind === 'dummy' && hardwareAddress?.startsWith(PREFIX) === true
}
