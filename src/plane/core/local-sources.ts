/**
 * Who is a local client: whose packets come from this node's pods, so that answers find their way back through this node.
 */
import { isText, requireFields } from '../../core/checks.js'
import { ValidationError } from '../../core/errors.js'
import { requireRanges, type RangesByFamily } from './ranges.js'

/**
 * Local clients, by one of three marks.
 *
 * - a list of prefixes: by source address.
 * - `{ bridge }`: packets that come in through this device.
 * - `{ interfacePrefix }`: packets that come in through devices whose names begin so.
 */
export type LocalSourcesOption = readonly string[] | { readonly bridge: string } | { readonly interfacePrefix: string }

/** Option `localSources`, checked. */
export type LocalSources =
  | { readonly by: 'prefixes'; readonly ranges: RangesByFamily }
  | {
      readonly by: 'interface'
      /** Of the device, or what names begin with. */
      readonly name: string
      readonly isPrefix: boolean
    }

/** Bytes of the longest name of a device: IFNAMSIZ, include/uapi/linux/if.h, less the NUL. */
export const MAX_DEVICE_NAME = 15

/** What dev_valid_name (net/core/dev.c) takes, less `*`, which nft would read as the end of a prefix. */
export function isDeviceName(name: unknown): name is string {
  if (!isText(name, MAX_DEVICE_NAME) || name === '' || name === '.' || name === '..') return false
  return !/[\s/:*]/.test(name)
}

function requireDeviceName(path: string, name: unknown): string {
  if (isDeviceName(name)) return name
  throw new ValidationError(path, name, `the name of a device: 1 to ${MAX_DEVICE_NAME} bytes without spaces, /, : and *`)
}

/**
 * Checks option `localSources`.
 *
 * @throws {ValidationError} `localSources[i]` is no prefix, or `localSources.bridge` no name of a device.
 */
export function checkLocalSources(sources: LocalSourcesOption | undefined): LocalSources | undefined {
  if (sources === undefined) return undefined
  if (Array.isArray(sources)) return { by: 'prefixes', ranges: requireRanges('localSources', sources) }
  const allowed = 'a list of prefixes, { bridge } or { interfacePrefix }'
  const fields = requireFields('localSources', sources, allowed)
  const [field, ...more] = Object.keys(fields)
  if ((field !== 'bridge' && field !== 'interfacePrefix') || more.length > 0) throw new ValidationError('localSources', sources, allowed)
  return { by: 'interface', name: requireDeviceName(`localSources.${field}`, fields[field]), isPrefix: field === 'interfacePrefix' }
}
