import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'
import { keyring, output } from './cache.mjs'
import { kernels, provideKernel, releaseOf } from './kernels.mjs'
import { findProgram } from './programs.mjs'

/**
 * @typedef {object} Machine a kernel that can be booted on this machine's own file system
 * @property {string} title
 * @property {{ packages: () => string[], present: () => boolean }[]} needs Debian packages, and how to see that they are there
 * @property {Record<string, string>} lacks what test/run/suites.mjs may require and this kernel has not: the reason in words
 * @property {() => string | undefined} release of its kernel, once it is on this machine
 * @property {'all' | 'smoke' | 'none'} everyRun what of test/run/suites.mjs `npm test` runs in it: all that requires something of a kernel, or the smoke set; `npm run test:lab` runs all
 * @property {string} [substitute] the machine that is used where this one does not boot; it lacks nothing that this one has
 * @property {number} slowness how much longer than on the machine itself programs take there, about
 * @property {number} bootSeconds what it gets until the command starts: far more than it needs, as the machine may be busy
 * @property {number} boots how often it is booted, at most, when its kernel goes down before the command has started, or by a fault of the machine
 * @property {RegExp} [ownFault] what its kernel says when the machine, and not what ran in it, is at fault
 * @property {boolean} canCount whether its clock can count the instructions of its processor (`isCounted`)
 * @property {import('./kernels.mjs').Kernel} [kernel] fetched before the machine is booted
 * @property {(boot: { init: string, folder: string, memoryMegabytes: number, isCounted: boolean }) => Promise<string[]>} argv the command that boots it. File descriptors
 *   3 and 4 lead to the caller: standard output and standard error of what runs inside. What it prints itself goes to its log.
 */

const needs = (name, packages) => ({ packages, present: () => findProgram(name) !== undefined })
const common = [needs('modprobe', () => ['kmod']), needs('ip', () => ['iproute2'])]

/** What the first process reads (init). */
const variables = ({ folder }, modules, out, err) => [`lab=${folder}`, `lab_modules=${modules}`, `lab_out=${out}`, `lab_err=${err}`]

/** One of the processors that this process may use. */
function anyProcessor() {
  const list = /^Cpus_allowed_list:\s*(.*)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0'
  const processors = list.split(',').flatMap((range) => {
    const [first, last = first] = range.split('-').map(Number)
    return Array.from({ length: last - first + 1 }, (_, index) => first + index)
  })
  return processors[process.pid % processors.length]
}

/** Libraries that UML is started with, the first of which comes first. Compiled each time, which takes a fraction of a second. */
async function compile(folder, sources) {
  const options = ['-O2', '-shared', '-fPIC', '-fno-exceptions', '-fno-threadsafe-statics', '-Wl,--as-needed']
  return Promise.all(
    sources.map(async (source) => {
      const library = path.join(folder, `${path.basename(source, '.cc')}.so`)
      await output('g++', [...options, '-o', library, path.join(import.meta.dirname, source)])
      return library
    })
  )
}

const umlModules = '/usr/lib/uml/modules'

/**
 * Debian's User-Mode Linux.
 *
 * `whole-xstate.cc` is preloaded everywhere: it measures by itself, with the very request that the kernel would refuse, whether this processor needs
 * it, which no list of processors could, and costs nothing where it does not.
 * @param {{ program?: string, preloaded?: string[] }} [parts] others than the usual ones: those of the self-test
 * @returns {Machine}
 */
export function userModeLinux({ program = 'linux.uml', preloaded = ['whole-xstate.cc'] } = {}) {
  const argv = async (boot) => [
    // Bound to one processor: its processes take turns, and each turn takes several times as long between two processors.
    ...['taskset', '--cpu-list', `${anyProcessor()}`],
    ...['env', `LD_PRELOAD=${(await compile(boot.folder, preloaded)).join(':')}`],
    program,
    `mem=${boot.memoryMegabytes}M`,
    'rootfstype=hostfs',
    'rootflags=/',
    'rw',
    `init=${boot.init}`,
    'con=null',
    'con0=null,fd:1',
    'con1=null,fd:3',
    'con2=null,fd:4',
    // Its own state (pid file, console socket), which would otherwise be left in the home folder when it is killed.
    `uml_dir=${boot.folder}/`,
    'umid=machine',
    ...variables(boot, umlModules, '/dev/tty1', '/dev/tty2')
  ]
  return {
    title: 'User-Mode Linux',
    needs: [
      { packages: () => ['user-mode-linux'], present: () => findProgram('linux.uml') !== undefined && existsSync(umlModules) },
      needs('g++', () => ['g++']),
      ...common
    ],
    lacks: { nftables: 'its nf_tables has no family ip and no NAT' },
    release: () => readdirSync(umlModules)[0],
    everyRun: 'all',
    // The same series.
    substitute: 'qemu-6.1',
    slowness: 1,
    boots: 1,
    canCount: false,
    bootSeconds: 60,
    argv
  }
}

/** Whether a program needs no libraries: there are none in the initial file system. */
function isStatic(name) {
  const file = findProgram(name)
  return file !== undefined && !readFileSync(file).subarray(0, 4096).includes('/ld-linux')
}

/** Debian 12 has virtiofsd in a package that qemu-system-x86 brings, later ones in a package of its own. */
const virtiofsdPackages = () =>
  spawnSync('apt-cache', ['show', 'virtiofsd'], { stdio: 'ignore' }).status === 0 ? ['virtiofsd'] : ['qemu-system-x86']

const qemuNeeds = [
  needs('qemu-system-x86_64', () => ['qemu-system-x86']),
  needs('virtiofsd', virtiofsdPackages),
  { packages: () => ['busybox-static'], present: () => isStatic('busybox') },
  needs('cpio', () => ['cpio']),
  needs('xz', () => ['xz-utils']),
  { packages: () => ['debian-archive-keyring'], present: () => existsSync(keyring) },
  ...common
]

/** Processors: two that run at a time; or one whose clock goes on by a nanosecond for each instruction, and leaps to the next timer when it has nothing to do. */
const processors = ({ isCounted }) =>
  isCounted
    ? ['-accel', 'tcg,thread=single', '-icount', 'shift=0,sleep=off', '-cpu', 'max', '-smp', '1']
    : ['-accel', 'tcg,thread=multi', '-cpu', 'max', '-smp', '2']

/** A Debian kernel on an emulated processor: no virtualisation is needed, which virtual machines seldom offer. */
function qemu(kernel) {
  const argv = async (boot) => {
    const place = await provideKernel(kernel)
    const memory = `${boot.memoryMegabytes}M`
    const socket = path.join(boot.folder, 'virtiofs')
    const lines = variables(boot, place.modules, '/dev/ttyS1', '/dev/ttyS2')
    return [
      ...['unshare', '--mount', '--propagation', 'private', path.join(import.meta.dirname, 'qemu'), findProgram('virtiofsd'), socket],
      ...['qemu-system-x86_64', '-machine', 'q35', ...processors(boot), '-m', memory],
      ...['-object', `memory-backend-memfd,id=memory,size=${memory},share=on`, '-numa', 'node,memdev=memory'],
      ...['-chardev', `socket,id=files,path=${socket}`, '-device', 'vhost-user-fs-pci,chardev=files,tag=rootfs'],
      ...['-nodefaults', '-nographic', '-no-reboot', '-serial', 'stdio'],
      ...['-chardev', 'socket,id=out,fd=3', '-serial', 'chardev:out', '-chardev', 'socket,id=err,fd=4', '-serial', 'chardev:err'],
      ...['-kernel', place.kernel, '-initrd', place.initial],
      ...['-append', ['console=ttyS0', 'quiet', 'panic=-1', `lab_init=${boot.init}`, ...lines].join(' ')]
    ]
  }
  return {
    title: `qemu, Linux ${kernel.series ?? '(newest of Debian)'}`,
    needs: qemuNeeds,
    lacks: {},
    release: () => releaseOf(kernel),
    everyRun: kernel.isInEveryRun ? 'smoke' : 'none',
    slowness: 10,
    // A kernel replaces instructions of its own, most of them while it starts. Once in a few hundred boots one of two emulated processors still runs the
    // break point that stood there meanwhile, when nobody expects it any more.
    boots: 3,
    ownFault: /Oops: int3: 0000/,
    canCount: true,
    bootSeconds: 240,
    kernel,
    argv
  }
}

/** @type {Record<string, Machine>} */
export const machines = {
  uml: userModeLinux(),
  ...Object.fromEntries(kernels.map((kernel) => [`qemu-${kernel.name}`, qemu(kernel)]))
}

/** The Debian packages that must be installed for a machine. */
export function missingPackages({ needs }) {
  return [...new Set(needs.filter((need) => !need.present()).flatMap((need) => need.packages()))]
}

/** What a machine needs that is not there, in words; nothing when it can be booted. */
function missing(machine) {
  const packages = missingPackages(machine)
  if (packages.length > 0) return `${machine.title} needs the Debian packages ${packages.join(', ')}: apt-get install ${packages.join(' ')}`
  if (process.getuid() !== 0) return `${machine.title} runs on this machine's file system as root: start it as root`
  if (machine.kernel !== undefined && process.arch !== 'x64') return `${machine.title} runs programs of amd64, and this machine has none`
  return undefined
}

/** Fetches what a machine boots, when it is not in the cache. Returns why the machine cannot be booted, in a line; nothing when it can. */
export async function prepare(machine) {
  const why = missing(machine)
  if (why !== undefined || machine.kernel === undefined) return why
  return provideKernel(machine.kernel).then(
    () => undefined,
    (error) => error.message.replaceAll(/\s*\n\s*/g, '; ')
  )
}
