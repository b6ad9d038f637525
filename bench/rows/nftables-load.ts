import type { Row } from '../frame/row.js'
import { subjectRow } from '../frame/subject-row.js'
import { verifySameRuleset } from '../frame/verify.js'
import { servicesScript, type ServicesOptions } from '../subjects/services.js'

/**
 * How many times faster than nft a client can be is bounded by what nft adds to the kernel's own time: without declared sizes the kernel takes twice as
 * long, and nft 1.0.6 as a whole only 5 to 6 times the floor.
 */
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
  loadRow({ endpoints: 20_000, sized: false }, 8),
  loadRow({ endpoints: 100_000, sized: false }, 8),
  loadRow({ endpoints: 100_000, sized: true }, 8)
]
