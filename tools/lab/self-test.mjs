// Tries the lab itself: what goes in and comes out of a machine is what the tests that run there rely on. Prints a line a check.
import { readFileSync, rmSync } from 'node:fs'
import process from 'node:process'
import { machines, userModeLinux } from './machines.mjs'
import { findBootable, logFile, noStatus, notBooted, runInLab, timedOut } from './run.mjs'

/** Keeps what is written, but for the news that a machine had to be booted again, which is no fault of what is tried. */
function recorder() {
  const chunks = []
  return { write: (chunk) => chunks.push(String(chunk)), text: () => chunks.join('').replaceAll(/^.*; it is booted again\n/gm, '') }
}

/** Boots a machine for one command and keeps what it printed. */
async function tryOut(name, argv, options = {}) {
  const [out, err] = [recorder(), recorder()]
  const status = await runInLab(name, argv, { timeoutSeconds: 400, memoryMegabytes: 512, ...options, stdout: out, stderr: err })
  return { status, out: out.text(), err: err.text() }
}

// This processor may well need nothing preloaded; wide-xstate.cc behaves like one that does.
const refused = 'uml-refused'
const helped = 'uml-helped'
const broken = 'uml-broken'
const substitute = 'qemu-newest'
const unsteady = 'uml-unsteady'
const faulty = 'uml-faulty'

/** A machine that goes down twice before it boots. */
function unsteadyMachine() {
  const machine = userModeLinux()
  let boots = 0
  return {
    ...machine,
    boots: 3,
    argv: async (boot) => {
      boots += 1
      return boots < 3 ? ['/bin/false'] : machine.argv(boot)
    }
  }
}

/** A machine that goes down once after the command has started, by a fault of its own. */
function faultyMachine() {
  const machine = userModeLinux()
  let boots = 0
  return {
    ...machine,
    boots: 2,
    ownFault: /Oops: int3/,
    argv: async (boot) => {
      boots += 1
      return boots === 1 ? ['sh', '-c', `echo started >'${boot.folder}/status'; echo Oops: int3`] : machine.argv(boot)
    }
  }
}

const table = {
  [refused]: { ...userModeLinux({ preloaded: ['wide-xstate.cc'] }), substitute: helped },
  [helped]: userModeLinux({ preloaded: ['whole-xstate.cc', 'wide-xstate.cc'] }),
  [broken]: { ...userModeLinux({ program: '/bin/false' }), substitute },
  [substitute]: machines[substitute],
  [unsteady]: unsteadyMachine(),
  [faulty]: faultyMachine()
}

const env = { ...process.env, LAB_TEXT: `it's "two"\nlines` }
const passing = (machine) => ({
  name: `${machine}: exit status, environment, folder and both outputs pass through unchanged, without a terminal`,
  run: () =>
    tryOut(machine, ['sh', '-c', 'printf "%s|%s" "$LAB_TEXT" "$PWD"; echo e >&2; test -t 1 && exit 8; exit 7'], { env, cwd: '/tmp' }),
  expected: { status: 7, out: `${env.LAB_TEXT}|/tmp`, err: 'e\n' }
})

const substituted = (machine) => ({
  name: `${machine}: one line says that it does not boot and where its log is, and the substitute is found`,
  run: async () => {
    const err = recorder()
    return { found: await findBootable(machine, { table, stderr: err }), err: err.text() }
  },
  expected: {
    found: table[machine].substitute,
    err: `User-Mode Linux does not boot here (its log is ${logFile(machine)}); used instead: ${table[table[machine].substitute].title}\n`
  }
})

/** A line for each processor. */
const roundMegahertz = (text) =>
  text
    .trim()
    .split('\n')
    .map((line) => line.replace(/[\d.]+$/, (number) => String(Math.round(Number(number)))))

const onAnyMachine = (machine) => [
  passing(machine),
  passing(substitute),
  {
    name: 'a machine that takes too long is ended',
    run: () => tryOut(machine, ['sleep', '600'], { timeoutSeconds: 30 }),
    expected: { status: timedOut, out: '', err: `${machines[machine].title}: killed after 30 s\n` }
  },
  {
    name: 'a machine whose kernel panics in the middle gave no status, and what it said is in a log',
    run: () => tryOut(machine, ['sh', '-c', 'echo c >/proc/sysrq-trigger; sleep 60']),
    expected: {
      status: noStatus,
      out: '',
      err: `${machines[machine].title} went down before the command ended (its log is ${logFile(machine)})\n`
    }
  },
  {
    name: 'an unknown machine is named',
    run: () => tryOut('abacus', ['true']),
    expected: { status: notBooted, out: '', err: `there is no machine 'abacus', but ${Object.keys(machines).join(', ')}\n` }
  },
  {
    name: `${substitute}: a clock that counts instructions makes a processor of a thousand megahertz, whatever this machine is`,
    run: () =>
      tryOut(substitute, ['sed', '-n', 's/^cpu MHz.*: /MHz /p', '/proc/cpuinfo'], { isCounted: true }).then(({ out }) =>
        roundMegahertz(out)
      ),
    expected: ['MHz 1000']
  },
  {
    name: 'a machine that emulates no processor cannot count',
    run: () => tryOut('uml', ['true'], { isCounted: true }),
    expected: { status: notBooted, out: '', err: `${machines.uml.title} emulates no processor whose instructions could be counted\n` }
  },
  substituted(broken)
]

const onUserModeLinux = [
  substituted(refused),
  {
    name: `${refused}: it is the state of the processor that its kernel could not write`,
    run: async () => readFileSync(logFile(refused), 'utf8').includes('ptrace set fp regs failed'),
    expected: true
  },
  {
    name: `${unsteady}: is booted again when it goes down before the command has started`,
    run: () => tryOut(unsteady, ['echo', 'here'], { table }),
    expected: { status: 0, out: 'here\n', err: '' }
  },
  {
    name: `${faulty}: the command is run again where the machine itself was at fault`,
    run: () => tryOut(faulty, ['echo', 'here'], { table }),
    expected: { status: 0, out: 'here\n', err: '' }
  },
  {
    name: `${helped}: boots and runs Node.js`,
    run: () => tryOut(helped, [process.execPath, '-e', 'process.stdout.write(String(2 ** 0.5))'], { table }),
    expected: { status: 0, out: String(2 ** 0.5), err: '' }
  }
]

/**
 * @param {string | undefined} machine the one that boots, of User-Mode Linux and its substitute
 * @returns {Promise<{ passed: number, failed: number }>}
 */
export async function selfTest(machine) {
  const checks = [...onAnyMachine(machine ?? 'uml'), ...(machine === 'uml' ? onUserModeLinux : [])]
  let passed = 0
  for (const { name, run, expected } of checks) {
    const actual = JSON.stringify(await run())
    const isSame = actual === JSON.stringify(expected)
    console.log(
      `${isSame ? 'ok' : 'NOT OK'}: lab: ${name}${isSame ? '' : `\n  expected ${JSON.stringify(expected)}\n  but got  ${actual}`}`
    )
    if (isSame) passed += 1
  }
  // What they said as intended is only of use to somebody who looks for a fault of theirs; why none boots, to everybody.
  for (const name of [...(machine === undefined ? [] : [machine]), refused, broken, unsteady, faulty])
    rmSync(logFile(name), { force: true })
  return { passed, failed: checks.length - passed }
}

if (process.argv[1] === import.meta.filename) process.exitCode = (await selfTest(await findBootable('uml'))).failed === 0 ? 0 : 1
