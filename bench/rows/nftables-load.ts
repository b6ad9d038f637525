import type { Row } from '../frame/row.js'
import { subjectRow } from '../frame/subject-row.js'
import { verifySameRuleset } from '../frame/verify.js'
import { servicesScript, type ServicesOptions } from '../subjects/services.js'

/** What nft itself adds to the kernel's time bounds how many times faster than it anybody can be: less where sizes are not declared. */
function loadRow(options: ServicesOptions, timesFaster: number): Row {
  const { endpoints, sized } = options
  const sample = { endpoints: 200, sized }
  return subjectRow({
    name: `nftables-load-${endpoints}${sized ? '-sized' : ''}`,
    unit: 'ms',
    about: `load ${endpoints} endpoints of ${endpoints / 10} services into an empty namespace, one transaction, ${sized ? 'sizes declared' : 'no sizes declared'}`,
    bar: { timesFloorAtMost: 1.5, fasterThanPeerAtLeast: { 'nft -f': timesFaster } },
    rounds: 5,
    needs: ['nft'],
    subject: 'nftables-load',
    options,
    repeat: 1,
    operations: 1,
    peers: {
      'nft -f': { command: (file) => ['nft', '-f', file(`services-${endpoints}.nft`, servicesScript(options))], afterSetup: false }
    },
    verify: (bench) => verifySameRuleset(bench, 'nftables-load', sample, servicesScript(sample)),
    notes: ({ workBytes }) => [`${(workBytes / 1e6).toFixed(1)} MB of messages`]
  })
}

/** Full load through columns. */
export const nftablesLoadRows: readonly Row[] = [
  loadRow({ endpoints: 20_000, sized: false }, 5),
  loadRow({ endpoints: 100_000, sized: false }, 5),
  loadRow({ endpoints: 100_000, sized: true }, 8)
]
