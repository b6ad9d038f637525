// What the test files that change a kernel require, and so which of them run where: on this machine's kernel, and in each machine of the lab.
import { readdirSync } from 'node:fs'
import path from 'node:path'

/**
 * @typedef {object} Suite
 * @property {string} name a row of the table that the lab prints
 * @property {string[]} files folders and files (without `.test.ts`) of test/contract and test/kernel; a file belongs to the suite that names it most exactly
 * @property {string[]} requires what a kernel must have: test/run/here.mjs says what this machine lacks, tools/lab/machines.mjs what each of the lab does
 * @property {true | string[]} [smoke] in which emulated machines `npm test` runs it, by the names of their kernels, or in all of them; the full run takes all
 * @property {boolean} [isLong] whether it waits, or makes thousands of connections, where a container changes nothing: there the rest runs
 */

const ownMachine = 'a machine of its own'
const newestNft = 'the newest nft'

/** What no place has by itself. */
const lackedEverywhere = { [newestNft]: '`npm run test:listing`, which fetches the newest nft, runs it' }

/** @type {Suite[]} */
export const suites = [
  { name: 'nftables', files: ['test/kernel/nftables', 'test/kernel/core', 'test/kernel/support'], requires: ['nftables'] },
  {
    name: 'words of nftables',
    files: ['optional-expressions', 'readback', 'rule-builder', 'rulesets', 'set-golden'].map((name) => `test/kernel/nftables/${name}`),
    requires: ['nftables'],
    isLong: true
  },
  { name: 'nftables contract', files: ['test/contract/nftables'], requires: ['nftables'], smoke: true },
  {
    name: 'listing by the newest nft',
    files: ['test/kernel/nftables/listing', 'test/kernel/nftables/rules/listing', 'test/kernel/plane/nftables/listing'],
    requires: ['nftables', newestNft]
  },
  { name: 'ipvs', files: ['test/contract/ipvs', 'test/kernel/ipvs'], requires: ['ipvs'], smoke: true },
  { name: 'ipvs sync', files: ['test/kernel/ipvs/sync'], requires: ['ipvs'] },
  { name: 'ipvs with traffic', files: ['test/kernel/ipvs/traffic'], requires: ['ipvs'] },
  { name: 'ipvs, unloaded', files: ['test/kernel/ipvs/unloaded'], requires: ['ipvs', ownMachine], smoke: true },
  { name: 'ipvsadm', files: ['test/kernel/examples/ipvsadm'], requires: ['ipvs'] },
  {
    name: 'ipvs with nftables',
    files: ['test/kernel/plane/ipvs'],
    requires: ['ipvs', 'nftables'],
    smoke: true
  },
  { name: 'proxy with ipvs', files: ['test/kernel/examples/proxy-ipvs'], requires: ['ipvs', 'nftables'], smoke: ['5.10'] },
  { name: 'proxy behaviour with ipvs', files: ['test/kernel/examples/proxy-behaviour-ipvs'], requires: ['ipvs', 'nftables'] },
  {
    name: 'ipvs behaviour, in short',
    files: ['test/kernel/plane/ipvs/behaviour-in-short'],
    requires: ['ipvs', 'nftables'],
    smoke: ['newest']
  },
  {
    name: 'ipvs plane, in detail',
    files: ['addresses', 'announced', 'explain', 'foreign'].map((name) => `test/kernel/plane/ipvs/${name}`),
    requires: ['ipvs', 'nftables']
  },
  { name: 'ipvs plane, unloaded', files: ['test/kernel/plane/ipvs/unloaded'], requires: ['ipvs', 'nftables', ownMachine] },
  { name: 'ipvs behaviour', files: ['test/kernel/plane/ipvs/behaviour'], requires: ['ipvs', 'nftables'] },
  {
    name: 'conntrack',
    files: ['test/contract/conntrack', 'test/kernel/conntrack', 'test/kernel/examples/conntrack-top'],
    requires: ['nftables']
  },
  { name: 'limits of connection tracking', files: ['test/kernel/conntrack/limits'], requires: [ownMachine], smoke: true },
  { name: 'iptables', files: ['test/kernel/iptables'], requires: ['nftables'] },
  {
    name: 'words of iptables',
    files: ['goldens', 'matches', 'native', 'opaque', 'set-rules', 'targets'].map((name) => `test/kernel/iptables/${name}`),
    requires: ['nftables'],
    isLong: true
  },
  { name: 'route', files: ['test/contract/route', 'test/kernel/route'], requires: [] },
  { name: 'links', files: ['test/kernel/route/dummy-links'], requires: ['dummy links'], smoke: true },
  { name: 'plane contract', files: ['test/contract/plane'], requires: ['ipvs', 'nftables'], isLong: true },
  { name: 'relays', files: ['test/contract/relays'], requires: [], isLong: true },
  { name: 'behaviour', files: ['test/contract/behaviour'], requires: ['nftables'], isLong: true },
  {
    name: 'plane, at length',
    files: ['affinity', 'convergence', 'growth', 'invalid'].map((name) => `test/kernel/plane/nftables/${name}`),
    requires: ['nftables'],
    isLong: true
  },
  {
    name: 'planes after others',
    files: ['killed', 'upgrade'].map((name) => `test/kernel/plane/${name}`),
    requires: ['nftables'],
    isLong: true
  },
  { name: 'planes after others, with ipvs', files: ['test/kernel/plane/killed-ipvs'], requires: ['ipvs', 'nftables'], isLong: true },
  { name: 'switching planes', files: ['test/kernel/plane/switch'], requires: ['nftables'], isLong: true },
  { name: 'switching to and from ipvs', files: ['test/kernel/plane/switch-ipvs'], requires: ['ipvs', 'nftables'], isLong: true },
  { name: 'stale flows', files: ['test/kernel/plane/flows'], requires: ['nftables'], isLong: true },
  {
    name: 'plane',
    files: ['test/kernel/plane', 'test/kernel/examples/proxy', 'test/kernel/examples/proxy-configuration'],
    requires: ['nftables']
  },
  {
    name: 'plane with traffic',
    files: ['test/kernel/plane/nftables/traffic', 'test/kernel/examples/proxy-traffic'],
    requires: ['nftables'],
    isLong: true
  },
  { name: 'examples', files: ['test/kernel/examples'], requires: ['nftables'], isLong: true },
  { name: 'what the bench measures', files: ['test/kernel/bench'], requires: ['nftables'], isLong: true },
  { name: 'ipvs director', files: ['test/kernel/examples/ipvs-director'], requires: ['ipvs'] },
  { name: 'userspace plane', files: ['test/kernel/plane/userspace'], requires: ['nftables'], isLong: true },
  { name: 'carriers', files: ['test/kernel/plane/carriers'], requires: ['nftables'], isLong: true },
  { name: 'carriers beside ipvs', files: ['test/kernel/plane/carriers/loopback-ipvs'], requires: ['ipvs', 'nftables'], isLong: true },
  { name: 'iptables plane', files: ['test/kernel/plane/iptables'], requires: ['nftables'], isLong: true },
  {
    name: 'other planes, in short',
    files: ['iptables', 'userspace'].map((mode) => `test/kernel/plane/${mode}/serving`),
    requires: ['nftables']
  },
  { name: 'command line', files: ['test/kernel/cli'], requires: ['nftables'] },
  { name: 'command line with ipvs', files: ['test/kernel/cli/ipvs'], requires: ['ipvs', 'nftables'], smoke: ['newest'] },
  { name: 'switching by the command line', files: ['test/kernel/cli/switch-ipvs'], requires: ['ipvs', 'nftables'], isLong: true },
  { name: 'documentation', files: ['test/kernel/docs'], requires: ['nftables'] },
  { name: 'plane, in short', files: ['test/kernel/plane/nftables/serving'], requires: ['nftables'], smoke: true }
]

/** How exactly a suite names a file: the length of what it names, or -1. */
function exactness({ files }, file) {
  const named = files.filter((name) => file === `${name}.test.ts` || file.startsWith(`${name}/`))
  return Math.max(-1, ...named.map((name) => name.length))
}

/**
 * The test files of each suite. Fails when one of test/contract or test/kernel is in none, so that none is forgotten.
 * @param {string} root of the repository
 * @returns {Map<Suite, string[]>}
 */
export function filesOfSuites(root) {
  const found = ['test/contract', 'test/kernel'].flatMap((folder) =>
    readdirSync(path.join(root, folder), { recursive: true }).map((file) => `${folder}/${file}`)
  )
  const result = new Map(suites.map((suite) => [suite, []]))
  for (const file of found.filter((name) => name.endsWith('.test.ts')).sort()) {
    const suite = suites.reduce((best, other) => (exactness(other, file) > exactness(best, file) ? other : best))
    if (exactness(suite, file) < 0) throw new Error(`${file} is in no suite of test/run/suites.mjs`)
    result.get(suite).push(file)
  }
  return result
}

/**
 * The files that do not run a second time in a container.
 * @param {Map<Suite, string[]>} files
 * @returns {string[]}
 */
export function notInContainer(files) {
  return [...files].filter(([{ isLong }]) => isLong === true).flatMap(([, own]) => own)
}

/** Why a suite cannot run where something is lacking, or undefined when it can. */
function reasonOf(suite, lacks) {
  const all = { ...lackedEverywhere, ...lacks }
  return suite.requires.map((feature) => all[feature]).find((reason) => reason !== undefined)
}

/**
 * The files of test/kernel that cannot run where something is lacking, with the reasons. Contracts run everywhere, on their fakes if on nothing else.
 * @param {Map<Suite, string[]>} files
 * @param {Record<string, string>} lacks what suites may require and the place has not: the reason in words
 * @returns {Map<string, string[]>} the files by reason
 */
export function leftOut(files, lacks) {
  const left = new Map()
  for (const [suite, all] of files) {
    const reason = reasonOf(suite, lacks)
    const own = all.filter((file) => file.startsWith('test/kernel/'))
    if (reason !== undefined && own.length > 0) left.set(reason, [...(left.get(reason) ?? []), ...own])
  }
  return left
}

/** A kernel that runs all runs what this machine's kernel may lack; the rest runs here. */
const isInEveryRun = (suite, machine) => (machine.everyRun === 'all' && suite.requires.length > 0) || isSmoke(suite, machine)

const isSmoke = ({ smoke = [] }, { kernel }) => smoke === true || smoke.includes(kernel?.name)

/**
 * What runs in a machine, and why the rest does not.
 * @param {Map<Suite, string[]>} files
 * @param {import('../../tools/lab/machines.mjs').Machine} machine
 * @param {{ isFull: boolean, filters: string[] }} choice `filters`: parts of file names, any of which selects a file; none selects all
 * @returns {{ suite: string, files: string[], reason?: string }[]} those with a reason do not run
 */
export function choose(files, machine, { isFull, filters }) {
  const selected = (file) => filters.length === 0 || filters.some((filter) => file.includes(filter))
  return [...files].flatMap(([suite, all]) => {
    const own = all.filter(selected)
    if (own.length === 0) return []
    const reason = reasonOf(suite, machine.lacks) ?? (isFull || isInEveryRun(suite, machine) ? undefined : 'only in the full run')
    return [{ suite: suite.name, files: own, reason }]
  })
}
