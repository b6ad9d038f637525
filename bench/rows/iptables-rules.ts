import type { Row } from '../frame/row.js'
import { subjectRow } from '../frame/subject-row.js'
import { verifySameState } from '../frame/verify.js'
import { iptablesFile } from '../subjects/iptables-rules.js'

const chains = 5000

interface Way {
  readonly name: string
  readonly how: string
  readonly isRepeated: boolean
}

const rulesRow = ({ name, how, isRepeated }: Way): Row =>
  subjectRow({
    name,
    unit: 'ms',
    about: `build and commit ${2 * chains} rules of iptables in ${chains} chains in one transaction, ${how}`,
    bar: { timesFloorAtMost: 1.5, fasterThanPeerAtLeast: { 'iptables-restore': 5 } },
    rounds: 5,
    needs: ['nft', 'iptables-nft-restore'],
    subject: 'iptables-rules',
    options: { chains, isRepeated },
    repeat: 1,
    operations: 1,
    peers: {
      'iptables-restore': {
        command: (file) => ['iptables-nft-restore', '--noflush', file('rules.iptables', iptablesFile(chains))],
        afterSetup: false
      }
    },
    verify: async (bench) => {
      const file = bench.file('verify.iptables', iptablesFile(20))
      const make = (): readonly string[] => ['iptables-nft-restore', '--noflush', file]
      await verifySameState(bench, 'iptables-rules', { chains: 20, isRepeated }, { make, list: ['nft', 'list', 'ruleset'] })
    }
  })

/** Many rules of iptables. */
export const iptablesRulesRows: readonly Row[] = [
  rulesRow({ name: `iptables-rules-${2 * chains}`, how: 'each by a call of its own', isRepeated: false }),
  rulesRow({ name: `iptables-rules-${2 * chains}-repeated`, how: 'by one call for all', isRepeated: true })
]
