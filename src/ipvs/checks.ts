/**
 * Checks of single values, before anything is sent.
 */
import { ValidationError } from '../errors.js'

export function requireInteger(path: string, value: unknown, least: number, most: number): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) return value
  throw new ValidationError(path, value, `an integer from ${least} to ${most}`)
}

export function requireObject<T extends object>(path: string, value: T, what: string): T {
  if (typeof value === 'object' && (value as unknown) !== null) return value
  throw new ValidationError(path, value, what)
}

/** One of some names, as what it stands for. */
export function requireName<Name extends string, T>(path: string, value: unknown, names: Readonly<Record<Name, T>>): T {
  if (typeof value === 'string' && Object.hasOwn(names, value)) return names[value as Name]
  throw new ValidationError(
    path,
    value,
    Object.keys(names)
      .map((name) => `'${name}'`)
      .join(', ')
  )
}

/** IP_VS_SCHEDNAME_MAXLEN, IP_VS_PENAME_MAXLEN and IP_VS_IFNAME_MAXLEN (include/uapi/linux/ip_vs.h), less the NUL. */
const NAME_BYTES = 15

export function requireText(path: string, value: unknown): string {
  if (typeof value === 'string' && value !== '' && !value.includes('\0') && Buffer.byteLength(value) <= NAME_BYTES) return value
  throw new ValidationError(path, value, `1 to ${NAME_BYTES} bytes of text`)
}
