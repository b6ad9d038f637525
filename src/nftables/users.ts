/**
 * Numbers of users and groups by their names.
 */
import { readFileSync } from 'node:fs'
import { ValidationError } from '../core/errors.js'

const FILES = { uid: '/etc/passwd', gid: '/etc/group' } as const

/**
 * The number of a user or group, from the machine's own files (passwd(5), group(5)); directories over the network are not asked.
 *
 * @throws {ValidationError} There is none of that name.
 */
export function numberOfName(path: string, kind: keyof typeof FILES, name: string): number {
  const file = FILES[kind]
  const line = readFileSync(file, 'utf8')
    .split('\n')
    .find((entry) => entry.startsWith(`${name}:`))
  const number = Number(line?.split(':')[2] ?? Number.NaN)
  if (name === '' || !Number.isInteger(number))
    throw new ValidationError(path, name, `a name in ${file}, or an integer from 0 to 4294967295`)
  return number
}
