import { subjectRow } from '../frame/subject-row.js'
import { verifySameRuleset } from '../frame/verify.js'
import { objectsScript } from '../subjects/nftables-objects.js'

const chains = 2000

/** Many small objects, each made by a call of its own. */
export const nftablesObjectsRow = subjectRow({
  name: `nftables-objects-${chains}`,
  unit: 'ms',
  about: `build and commit ${chains} chains with two rules each in one transaction`,
  bar: { timesFloorAtMost: 1.5, fasterThanPeerAtLeast: { 'nft -f': 1 } },
  rounds: 7,
  needs: ['nft'],
  subject: 'nftables-objects',
  options: { chains },
  repeat: 1,
  operations: 1,
  peers: { 'nft -f': { command: (file) => ['nft', '-f', file('objects.nft', objectsScript(chains))], afterSetup: false } },
  verify: (bench) => verifySameRuleset(bench, 'nftables-objects', { chains: 20 }, objectsScript(20))
})
