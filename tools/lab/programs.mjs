import { existsSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'

const system = ['/usr/sbin', '/sbin']
const folders = () => [...(process.env.PATH ?? '').split(':'), ...system, '/usr/libexec', '/usr/lib/qemu']

/** Lets this process and those it starts find the system's programs, such as nft, by their names, as on the path of root. */
export function addSystemFolders() {
  const own = (process.env.PATH ?? '').split(':')
  process.env.PATH = [...own, ...system.filter((folder) => !own.includes(folder))].join(':')
}

/** Path of a program, also where it is not on the path of an ordinary user; undefined when it is not installed. */
export function findProgram(name) {
  return folders()
    .map((folder) => path.join(folder, name))
    .find((file) => existsSync(file))
}
