/**
 * Links between the caller's words and what the addon gives and takes.
 */
import { isText } from '../core/checks.js'
import { ValidationError } from '../core/errors.js'
import { type NativeLink, type NativeLinkReference } from '../native/index.js'
import { IFF_UP, linkFlags } from './constants.js'
import type { Link, LinkSettings, OperationalState } from './types.js'

/** IFNAMSIZ - 1 and ALTIFNAMSIZ - 1 (include/uapi/linux/if.h). */
const NAME_BYTES = 15
const REFERENCE_BYTES = 127
const MAX_INDEX = 0x7fffffff
const MAX_MTU = 0xffffffff

function hexOf(bytes: unknown): string | undefined {
  if (!(bytes instanceof Uint8Array) || bytes.length === 0) return undefined
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(':')
}

/** What isspace() of the kernel takes for white space (with the no-break space of Latin-1), NUL, and `/`, `:`, `%`. */
const refusedBytes = new Set([0, 9, 10, 11, 12, 13, 0x20, 0xa0, 0x2f, 0x3a, 0x25])

/** A link of a listing or event as an object. */
export function decodeLink({ index, hardwareType, flags, value }: NativeLink): Link {
  const kind = (value.info as { readonly kind?: string } | undefined)?.kind
  const hardwareAddress = hexOf(value.hardwareAddress)
  // A number stands where a later kernel has a state that this table does not know; what is not known to be a state is `unknown`.
  const operationalState = typeof value.operationalState === 'string' ? (value.operationalState as OperationalState) : 'unknown'
  return {
    index,
    name: value.name as string,
    alternativeNames: (value.alternativeNames as readonly string[] | undefined) ?? [],
    ...(kind !== undefined && { kind }),
    isUp: (flags & IFF_UP) !== 0,
    flags: linkFlags(flags),
    operationalState,
    mtu: value.mtu as number,
    ...(hardwareAddress !== undefined && { hardwareAddress }),
    hardwareType,
    ...(value.masterIndex !== undefined && { masterIndex: value.masterIndex as number }),
    // 0 says that the kernel has no other end to tell of, as for a tunnel that is bound to no link.
    ...(value.lowerIndex !== undefined && value.lowerIndex !== 0 && { lowerIndex: value.lowerIndex as number }),
    ...(value.alias !== undefined && { alias: value.alias as string })
  }
}

/**
 * Checks what names a link.
 *
 * @throws {ValidationError}
 */
export function requireLink(path: string, link: unknown): NativeLinkReference {
  if (typeof link === 'number' && Number.isInteger(link) && link > 0 && link <= MAX_INDEX) return link
  if (isText(link, REFERENCE_BYTES) && link !== '') return link
  throw new ValidationError(path, link, `a link's name of 1 to ${REFERENCE_BYTES} bytes, or its index from 1 to ${MAX_INDEX}`)
}

/**
 * Checks the name of a link that is to be made: what dev_valid_name (net/core/dev.c) refuses, and `%`, which would make the kernel choose a number.
 *
 * @throws {ValidationError}
 */
export function requireNewName(path: string, name: unknown): string {
  const bytes = Buffer.from(typeof name === 'string' ? name : '')
  const isFine = bytes.length > 0 && bytes.length <= NAME_BYTES && name !== '.' && name !== '..'
  if (isFine && !bytes.some((byte) => refusedBytes.has(byte))) return name as string
  throw new ValidationError(path, name, `1 to ${NAME_BYTES} bytes without white space, '/', ':' and '%', not '.' or '..'`)
}

/**
 * Checks settings and says them as the addon takes them.
 *
 * @throws {ValidationError}
 */
export function encodeSettings(
  path: string,
  settings: LinkSettings
): { changeMask: number; flags: number; value: Record<string, unknown> } {
  if (typeof settings !== 'object' || (settings as unknown) === null) throw new ValidationError(path, settings, 'an object')
  const { up, mtu } = settings as Record<keyof LinkSettings, unknown>
  if (up !== undefined && typeof up !== 'boolean') throw new ValidationError(`${path}.up`, up, 'true or false')
  if (mtu !== undefined && !(typeof mtu === 'number' && Number.isInteger(mtu) && mtu > 0 && mtu <= MAX_MTU)) {
    throw new ValidationError(`${path}.mtu`, mtu, `an integer from 1 to ${MAX_MTU}`)
  }
  return { changeMask: up === undefined ? 0 : IFF_UP, flags: up === true ? IFF_UP : 0, value: mtu === undefined ? {} : { mtu } }
}

/**
 * The bytes of an Ethernet address.
 *
 * @throws {ValidationError}
 */
export function encodeHardwareAddress(path: string, address: unknown): Uint8Array | undefined {
  if (address === undefined) return undefined
  if (typeof address !== 'string' || !/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(address))
    throw new ValidationError(path, address, 'six bytes such as 52:54:00:12:34:56')
  return Uint8Array.from(address.split(':'), (byte) => Number.parseInt(byte, 16))
}
