import type { Row } from '../frame/row.js'
import { subjectRow } from '../frame/subject-row.js'
import { verifySameRuleset } from '../frame/verify.js'
import { servicesScript } from '../subjects/services.js'

function loadRow(endpoints: number): Row {
  return subjectRow({
    name: `nftables-load-${endpoints}`,
    unit: 'ms',
    about: `load a verdict map of ${endpoints / 10} services and a data map of ${endpoints} endpoints into an empty namespace, one transaction`,
    bar: { timesFloorAtMost: 1.5, fasterThanPeerAtLeast: { 'nft -f': 8 } },
    rounds: 5,
    needs: ['nft'],
    subject: 'nftables-load',
    options: { endpoints },
    repeat: 1,
    operations: 1,
    peers: {
      'nft -f': { command: (file) => ['nft', '-f', file(`services-${endpoints}.nft`, servicesScript(endpoints))], afterSetup: false }
    },
    verify: (bench) => verifySameRuleset(bench, 'nftables-load', { endpoints: 200 }, servicesScript(200)),
    notes: ({ workBytes }) => [`${(workBytes / 1e6).toFixed(1)} MB of messages; no sizes declared on either side`]
  })
}

/** Full load through columns. */
export const nftablesLoadRows: readonly Row[] = [loadRow(20_000), loadRow(100_000)]
