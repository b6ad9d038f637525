import type { Row } from '../frame/row.js'
import { subjectRow } from '../frame/subject-row.js'

const endpoints = 100_000

function listRow(as: 'columns' | 'objects', timesFloorAtMost: number): Row {
  return subjectRow({
    name: `nftables-list-${as}-${endpoints}`,
    unit: 'ms',
    about: `list the ${endpoints} elements of a data map as ${as}`,
    bar: { timesFloorAtMost, fasterThanPeerAtLeast: { 'nft -j list': 4 } },
    rounds: 5,
    needs: ['nft'],
    subject: 'nftables-list',
    options: { endpoints, as },
    repeat: 1,
    operations: 1,
    peers: { 'nft -j list': { command: () => ['nft', '-j', 'list', 'map', 'ip', 'bench', 'endpoints'], afterSetup: true } },
    notes: () => ['the kernel walks its hash table from the start for every 32 KiB of the dump, so the floor grows with the square']
  })
}

/** Listing a large map. */
export const nftablesListRows: readonly Row[] = [listRow('columns', 1.3), listRow('objects', 2)]
