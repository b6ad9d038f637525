// Which test files run in which machine of the lab.
import { readdirSync } from 'node:fs'
import path from 'node:path'

/**
 * @typedef {object} Suite
 * @property {string} name a row of the table that the lab prints
 * @property {RegExp} files of test/lab, test/contract and test/kernel
 * @property {string[]} requires what a kernel must have (tools/lab/machines.mjs says which lacks what)
 * @property {boolean} [smoke] whether `npm test` runs it in emulated machines; the full run takes all
 */

/** @type {Suite[]} a file belongs to the first suite that matches it */
export const suites = [
  { name: 'links', files: /^test\/lab\/route/, requires: [], smoke: true },
  { name: 'ipvs with nftables', files: /^test\/lab\/ipvs-(plane|proxy)/, requires: ['ipvs', 'nftables'], smoke: true },
  { name: 'ipvsadm', files: /^test\/lab\/ipvsadm/, requires: ['ipvs'] },
  { name: 'ipvs, unloaded', files: /^test\/lab\/unloaded/, requires: ['ipvs'], smoke: true },
  { name: 'ipvs with traffic', files: /^test\/lab\/ipvs-traffic/, requires: ['ipvs'] },
  { name: 'ipvs sync', files: /^test\/lab\/ipvs-sync/, requires: ['ipvs'] },
  { name: 'ipvs', files: /^test\/(lab|contract|kernel)\/ipvs/, requires: ['ipvs'], smoke: true },
  { name: 'plane, in short', files: /^test\/lab\/plane/, requires: ['nftables'], smoke: true },
  { name: 'limits of connection tracking', files: /^test\/lab\/conntrack/, requires: [], smoke: true },
  { name: 'conntrack', files: /^test\/(contract|kernel)\/conntrack/, requires: ['nftables'] },
  { name: 'route', files: /^test\/(contract|kernel)\/route/, requires: [] },
  { name: 'nftables contract', files: /^test\/contract\/(nftables|intervals|unstated)/, requires: ['nftables'], smoke: true },
  { name: 'plane contract', files: /^test\/contract\/plane/, requires: ['ipvs', 'nftables'] },
  { name: 'plane with traffic', files: /^test\/kernel\/plane\/traffic/, requires: ['nftables'] },
  { name: 'plane', files: /^test\/kernel\/(plane\/|proxy)/, requires: ['nftables'] },
  { name: 'nftables', files: /^test\/kernel\/(namespace|rebound|nftables|rule-builder|set-golden|intervals\/)/, requires: ['nftables'] }
]

/**
 * The test files of each suite. Fails when one of test/lab, test/contract or test/kernel is in none, so that none is forgotten.
 * @param {string} root of the repository
 * @returns {Map<Suite, string[]>}
 */
export function filesOfSuites(root) {
  const found = ['test/lab', 'test/contract', 'test/kernel'].flatMap((folder) =>
    readdirSync(path.join(root, folder), { recursive: true }).map((file) => `${folder}/${file}`)
  )
  const result = new Map(suites.map((suite) => [suite, []]))
  for (const file of found.filter((name) => name.endsWith('.test.ts')).sort()) {
    const suite = suites.find(({ files }) => files.test(file))
    if (suite === undefined) throw new Error(`${file} is in no suite of test/run/suites.mjs`)
    result.get(suite).push(file)
  }
  return result
}

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
    const lacking = suite.requires.map((feature) => machine.lacks[feature]).find((reason) => reason !== undefined)
    const reason = lacking ?? (isFull || machine.everyRun === 'all' || suite.smoke ? undefined : 'only in the full run')
    return [{ suite: suite.name, files: own, reason }]
  })
}
