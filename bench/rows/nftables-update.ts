import type { Row } from '../frame/row.js'
import { subjectRow } from '../frame/subject-row.js'
import { moveScript } from '../subjects/services.js'

const endpoints = 100_000
const slot = endpoints / 2

function updateRow(name: string, until: string, waits: boolean, bar: Row['bar']): Row {
  return subjectRow({
    name,
    unit: 'ms',
    about: `move one of ${endpoints} endpoints (delete and add in one commit), from the call to ${until}`,
    bar,
    rounds: 5,
    needs: ['nft'],
    subject: 'nftables-update',
    options: { endpoints, waits },
    repeat: 100,
    operations: 2,
    peers: { 'nft -f': { command: (file) => ['nft', '-f', file('move.nft', moveScript(slot, slot, slot + endpoints))], afterSetup: true } }
  })
}

/** One element changed in a large map. */
export const nftablesUpdateRows: readonly Row[] = [
  updateRow('nftables-update-1', 'the resolved promise', false, { oursAtMost: 0.06, fasterThanPeerAtLeast: { 'nft -f': 8 } }),
  updateRow('nftables-update-1-sync', 'its return', true, { oursAtMost: 0.025, fasterThanPeerAtLeast: { 'nft -f': 8 } })
]
