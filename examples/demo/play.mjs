// Runs the demo's built programs in namespaces of their own.
//
// A network, mount and process namespace each: what the demo makes goes with it, also when it is interrupted or killed. Root uses no user namespace, as some systems forbid
// them, and IPVS refuses to work in one.
import { spawn } from 'node:child_process'
import { constants } from 'node:os'
import path from 'node:path'
import process from 'node:process'
import { machines } from '../../tools/lab/machines.mjs'
import { parseArgs } from 'node:util'
import { playOnCluster } from './cluster.mjs'
import { openPageOutside } from './page.mjs'
import { findBootable, runInLab } from '../../tools/lab/run.mjs'
import { mayInstall } from '../../tools/may-install.mjs'

const programs = path.resolve(import.meta.dirname, '../../build/examples')
const isRoot = process.getuid?.() === 0
/** Exit status of the act on IPVS where the kernel has none (ipvs.ts). */
const noIpvs = 3

/** Runs a program and returns its exit status. */
async function runInNamespaces(program, ...words) {
  const namespaces = ['--net', '--mount', '--pid', '--fork', '--kill-child', ...(isRoot ? [] : ['--user', '--map-root-user'])]
  // A /run of its own, so that `ip netns` needs no place in the machine's.
  const inside = 'mount -t tmpfs run /run && mount -t proc proc /proc && exec "$0" "$@"'
  const child = spawn('unshare', [...namespaces, 'sh', '-c', inside, process.execPath, path.join(programs, program), ...words], {
    stdio: 'inherit'
  })
  const forward = (signal) => child.kill(signal)
  // The terminal's Ctrl-C reaches the child as well; this process waits for it, to end with its status.
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, forward)
  return await new Promise((resolve) => {
    child.on('exit', (code, signal) => {
      for (const name of ['SIGINT', 'SIGTERM']) process.off(name, forward)
      resolve(code ?? 128 + constants.signals[signal])
    })
  })
}

/** Plays the acts up to the shop, which stays open until the demo is interrupted. */
async function playAndStay() {
  const page = await openPageOutside()
  try {
    return await runInNamespaces('demo.js', page.socket)
  } finally {
    page.close()
  }
}

/** On the machine's kernel where it has IPVS, else on one that is booted for it. */
async function playIpvs(provide) {
  if (!isRoot) {
    console.log('\nThe act on IPVS is left out: the kernel lets only root change virtual services')
    return 0
  }
  const status = await runInNamespaces('demo-ipvs.js')
  if (status !== noIpvs) return status
  console.log("\nThis machine's kernel has no IPVS; one that has it is booted")
  const name = await findBootable('uml', { stderr: process.stdout, provide })
  if (name === undefined) {
    console.log('The act on IPVS is left out: no other kernel can be booted here')
    // It might have been, had something been installed.
    return mayInstall() ? 0 : 1
  }
  console.log(machines[name].title)
  const command = [process.execPath, path.join(programs, 'demo-ipvs.js'), String(machines[name].slowness)]
  return await runInLab(name, command, { timeoutSeconds: 400, memoryMegabytes: 1024, stderr: process.stdout })
}

/**
 * Plays all acts that can be played here, and says which cannot and why.
 * @param {{ provide?: (machine: import('../../tools/lab/machines.mjs').Machine) => Promise<unknown>, stays?: boolean, kubeconfig?: string }} [options] `provide` installs what a machine
 *   of the lab needs, should one have to be booted; `stays`: the shop stays open, with its page, instead of what comes after it;
 *   `kubeconfig`: the API of a cluster that takes the place of all acts
 * @returns {Promise<number>} the demo's exit status: 0 when all that could be played went well
 */
export async function play({ provide, stays = false, kubeconfig } = {}) {
  if (kubeconfig !== undefined) return await playOnCluster(kubeconfig)
  if (stays) return await playAndStay()
  const status = await runInNamespaces('demo.js')
  return status === 0 ? await playIpvs(provide) : status
}

/** What the command line asks for: `--stay`, or `--kubeconfig FILE`. */
export function readWords() {
  const { stay = false, kubeconfig } = parseArgs({ options: { stay: { type: 'boolean' }, kubeconfig: { type: 'string' } } }).values
  return { stays: stay, kubeconfig }
}

if (process.argv[1] === import.meta.filename) process.exitCode = await play(readWords())
