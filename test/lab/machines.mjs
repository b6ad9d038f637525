import { existsSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'

const folders = [...(process.env.PATH ?? '').split(':'), '/usr/sbin', '/sbin']
const onPath = (command) => folders.some((folder) => existsSync(path.join(folder, command)))

/**
 * @typedef {object} Machine a kernel that can be booted on this machine's own file system
 * @property {string} title
 * @property {{ packages: string[], present: () => boolean }[]} needs Debian packages, and how to see that they are there
 * @property {(boot: { init: string, folder: string, memoryMegabytes: number }) => string[]} argv the command that boots it. File descriptors 3 and 4
 *   lead to the caller: standard output and standard error of what runs inside. What it prints itself is only shown when it does not get that far.
 */

/** @type {Record<string, Machine>} */
export const machines = {
  uml: {
    title: 'User-Mode Linux',
    needs: [
      { packages: ['user-mode-linux'], present: () => onPath('linux.uml') && existsSync('/usr/lib/uml/modules') },
      { packages: ['kmod'], present: () => onPath('modprobe') },
      { packages: ['iproute2'], present: () => onPath('ip') }
    ],
    argv: ({ init, folder, memoryMegabytes }) => [
      'linux.uml',
      `mem=${memoryMegabytes}M`,
      'rootfstype=hostfs',
      'rootflags=/',
      'rw',
      `init=${init}`,
      'con=null',
      'con0=null,fd:1',
      'con1=null,fd:3',
      'con2=null,fd:4',
      // Its own state (pid file, console socket), which would otherwise be left in the home folder when it is killed.
      `uml_dir=${folder}/`,
      'umid=machine',
      // Read by the first process.
      `lab=${folder}`,
      'lab_modules=/usr/lib/uml/modules',
      'lab_out=/dev/tty1',
      'lab_err=/dev/tty2'
    ]
  }
}

/** What must be installed for a machine, in words; nothing when it can be booted. */
export function missing(machine) {
  const packages = machine.needs.filter((need) => !need.present()).flatMap((need) => need.packages)
  if (packages.length > 0) return `${machine.title} needs the Debian packages ${packages.join(', ')}: apt-get install ${packages.join(' ')}`
  if (process.getuid() !== 0) return `${machine.title} runs on this machine's file system as root: start it as root`
  return undefined
}
