import { subjectRow } from '../frame/subject-row.js'
import { moveScript } from '../subjects/services.js'

const endpoints = 100_000
const slot = endpoints / 2

/** One element changed in a large map. */
export const nftablesUpdateRow = subjectRow({
  name: 'nftables-update-1',
  unit: 'ms',
  about: `move one of ${endpoints} endpoints (delete and add in one commit), from the call to the resolved promise`,
  bar: { oursAtMost: 1, fasterThanPeerAtLeast: { 'nft -f': 8 } },
  rounds: 5,
  needs: ['nft'],
  subject: 'nftables-update',
  options: { endpoints },
  repeat: 100,
  operations: 2,
  peers: { 'nft -f': { command: (file) => ['nft', '-f', file('move.nft', moveScript(slot, slot, slot + endpoints))], afterSetup: true } }
})
