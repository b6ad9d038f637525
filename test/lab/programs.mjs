import { existsSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'

const folders = () => [...(process.env.PATH ?? '').split(':'), '/usr/sbin', '/sbin', '/usr/libexec', '/usr/lib/qemu']

/** Path of a program, also where it is not on the path of an ordinary user; undefined when it is not installed. */
export function findProgram(name) {
  return folders()
    .map((folder) => path.join(folder, name))
    .find((file) => existsSync(file))
}
