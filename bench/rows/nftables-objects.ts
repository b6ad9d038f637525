import type { Row } from '../frame/row.js'
import { subjectRow } from '../frame/subject-row.js'
import { verifySameRuleset } from '../frame/verify.js'
import { objectsScript } from '../subjects/nftables-objects.js'

const chains = 2000

interface Way {
  readonly name: string
  readonly how: string
  readonly isRepeated: boolean
}

const objectsRow = ({ name, how, isRepeated }: Way): Row =>
  subjectRow({
    name,
    unit: 'ms',
    about: `build and commit ${chains} chains with two rules each in one transaction, ${how}`,
    bar: { timesFloorAtMost: 1.5, fasterThanPeerAtLeast: { 'nft -f': 1 } },
    rounds: 7,
    needs: ['nft'],
    subject: 'nftables-objects',
    options: { chains, isRepeated },
    repeat: 1,
    operations: 1,
    peers: { 'nft -f': { command: (file) => ['nft', '-f', file('objects.nft', objectsScript(chains))], afterSetup: false } },
    verify: (bench) => verifySameRuleset(bench, 'nftables-objects', { chains: 20, isRepeated }, objectsScript(20))
  })

/** Many small objects. */
export const nftablesObjectsRows: readonly Row[] = [
  objectsRow({ name: `nftables-objects-${chains}`, how: 'each by a call of its own', isRepeated: false }),
  objectsRow({ name: `nftables-objects-${chains}-repeated`, how: 'by one call for all', isRepeated: true })
]
