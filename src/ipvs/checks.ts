/**
 * Checks of single values, before anything is sent.
 */
import { isText } from '../core/checks.js'
import { ValidationError } from '../core/errors.js'

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
  if (isText(value, NAME_BYTES) && value !== '') return value
  throw new ValidationError(path, value, `1 to ${NAME_BYTES} bytes of text`)
}
