// Tries the lab itself: what goes in and comes out of a machine is what the tests that run there rely on. Prints a line a check.
import process from 'node:process'
import { machines } from './machines.mjs'
import { noStatus, notBooted, runInLab, timedOut } from './run.mjs'

/** Boots a machine for one command and keeps what it printed. */
async function tryOut(name, argv, options = {}) {
  const out = []
  const err = []
  const status = await runInLab(name, argv, {
    timeoutSeconds: 400,
    memoryMegabytes: 512,
    ...options,
    stdout: { write: (chunk) => out.push(String(chunk)) },
    stderr: { write: (chunk) => err.push(String(chunk)) }
  })
  return { status, out: out.join(''), err: err.join('') }
}

const env = { ...process.env, LAB_TEXT: `it's "two"\nlines` }
const passing = (machine) => ({
  name: `${machine}: exit status, environment, folder and both outputs pass through unchanged, without a terminal`,
  run: () =>
    tryOut(machine, ['sh', '-c', 'printf "%s|%s" "$LAB_TEXT" "$PWD"; echo e >&2; test -t 1 && exit 8; exit 7'], { env, cwd: '/tmp' }),
  expected: { status: 7, out: `${env.LAB_TEXT}|/tmp`, err: 'e\n' }
})
const checks = [
  passing('uml'),
  passing('qemu-newest'),
  {
    name: 'a machine that takes too long is ended',
    run: () => tryOut('uml', ['sleep', '600'], { timeoutSeconds: 5 }),
    expected: { status: timedOut, out: '', err: 'User-Mode Linux: killed after 5 s\n' }
  },
  {
    name: 'a machine that goes down in the middle gave no status',
    run: async () => {
      const { status, out } = await tryOut('uml', ['halt', '-f'])
      return { status, out }
    },
    expected: { status: noStatus, out: '' }
  },
  {
    name: 'an unknown machine is named',
    run: () => tryOut('abacus', ['true']),
    expected: { status: notBooted, out: '', err: `there is no machine 'abacus', but ${Object.keys(machines).join(', ')}\n` }
  }
]

/** @returns {Promise<{ passed: number, failed: number }>} */
export async function selfTest() {
  let passed = 0
  for (const { name, run, expected } of checks) {
    const actual = JSON.stringify(await run())
    const isSame = actual === JSON.stringify(expected)
    console.log(
      `${isSame ? 'ok' : 'NOT OK'}: lab: ${name}${isSame ? '' : `\n  expected ${JSON.stringify(expected)}\n  but got  ${actual}`}`
    )
    if (isSame) passed += 1
  }
  return { passed, failed: checks.length - passed }
}

if (process.argv[1] === import.meta.filename) process.exitCode = (await selfTest()).failed === 0 ? 0 : 1
