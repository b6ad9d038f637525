import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import process from 'node:process'
import { goHint, hasGo, hasServers } from '../../tools/cluster/build.mjs'
import { machines, missingPackages } from '../../tools/lab/machines.mjs'
import { findProgram } from '../../tools/lab/programs.mjs'
import { hasIpvs } from './here.mjs'
import { inNamespace } from './namespace.mjs'

const onPath = (command) => findProgram(command) !== undefined
const clangRuntime = () => existsSync('/usr/lib/llvm-14/lib/clang') && readdirSync('/usr/lib/llvm-14/lib/clang').length > 0

/** What a machine of the lab needs is written there. Its kernel is fetched when it is booted. */
function machine(name) {
  return {
    present: () => missingPackages(machines[name]).length === 0,
    get packages() {
      return missingPackages(machines[name])
    }
  }
}

/** What a stage may need: how to see that it is there, and the Debian packages that bring it. */
const tools = {
  'g++': { present: () => onPath('g++'), packages: ['g++'] },
  make: { present: () => onPath('make'), packages: ['make'] },
  python3: { present: () => onPath('python3'), packages: ['python3'] },
  cmake: { present: () => onPath('cmake'), packages: ['cmake'] },
  googletest: { present: () => existsSync('/usr/include/gtest/gtest.h'), packages: ['libgtest-dev'] },
  'clang-14 with libFuzzer': { present: () => onPath('clang++-14') && clangRuntime(), packages: ['clang-14', 'libclang-rt-14-dev'] },
  'clang-format-14': { present: () => onPath('clang-format-14'), packages: ['clang-format-14'] },
  git: { present: () => onPath('git'), packages: ['git'] },
  nft: { present: () => onPath('nft'), packages: ['nftables'] },
  ip: { present: () => onPath('ip'), packages: ['iproute2'] },
  'iptables-nft': { present: () => onPath('iptables-nft') && onPath('ebtables-nft'), packages: ['iptables'] },
  ipvsadm: { present: () => onPath('ipvsadm'), packages: ['ipvsadm'] },
  conntrack: { present: () => onPath('conntrack'), packages: ['conntrack'] },
  strace: { present: () => onPath('strace'), packages: ['strace'] },
  readelf: { present: () => onPath('readelf'), packages: ['binutils'] },
  pip: { present: () => spawnSync('python3', ['-m', 'pip', '--version']).status === 0, packages: ['python3-pip'] },
  chromium: { present: () => onPath('chromium'), packages: ['chromium'] },
  podman: { present: () => onPath('podman') && onPath('crun'), packages: ['podman', 'crun'] },
  'User-Mode Linux': machine('uml'),
  'IPVS, or User-Mode Linux': { present: () => hasIpvs() || machine('uml').present(), packages: ['user-mode-linux', 'kmod'] },
  qemu: machine(Object.keys(machines).find((name) => name.startsWith('qemu')))
}

/** What no package brings. */
const conditions = {
  root: { present: () => process.getuid() === 0, hint: 'root' },
  'servers of a Kubernetes API': { present: () => hasServers() || hasGo(), hint: goHint },
  namespaces: {
    present: () => {
      const [command, ...args] = inNamespace(['true'])
      return spawnSync(command, args).status === 0
    },
    hint: 'root, or user namespaces (sysctl kernel.unprivileged_userns_clone, user.max_user_namespaces)'
  }
}

/** The Debian packages that bring what of `needs` is missing. */
export function missingPackagesOf(needs) {
  return [...new Set(needs.flatMap((need) => (need in tools && !tools[need].present() ? tools[need].packages : [])))]
}

/** What of `needs` is still missing, in words that say how to get it. */
export function missing(needs) {
  return needs.flatMap((need) => {
    if (need in conditions) return conditions[need].present() ? [] : [conditions[need].hint]
    return tools[need].present() ? [] : [`${need} (Debian: ${tools[need].packages.join(' ')})`]
  })
}
