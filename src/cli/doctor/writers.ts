/**
 * Other programs that write rules or virtual services beside a plane.
 */
import { printable } from '../../core/errors.js'
import { isTableName } from '../../iptables/tables.js'
import { isOurChain } from '../../plane/iptables/inspect/ours.js'
import { CHAIN } from '../../plane/iptables/layout/names.js'
import type { Facts } from './facts.js'
import type { Finding } from './findings.js'

const list = (names: Iterable<string>): string => [...new Set(names)].map(printable).join(', ')

/** Where its tables or chains are found, what it means for a plane, and what to do. */
interface Writer {
  readonly subject: string
  readonly found: (facts: Facts) => string | undefined
  readonly meaning: string
  readonly remedy: string
}

function tablesCalled(name: string): (facts: Facts) => string | undefined {
  return ({ tables }) => {
    const found = tables.filter((table) => table.name === name)
    return found.length === 0 ? undefined : `table ${list(found.map(({ family }) => `${family} ${name}`))}`
  }
}

/** Chains of iptables with names of kube-proxy's, of which the kubelet's are none; those that a plane of mode iptables made say so by a chain of its own. */
function kubeChains({ chains }: Facts): string | undefined {
  const found = chains.filter(
    ({ name, table, family }) => (family === 'ip' || family === 'ip6') && isTableName(table) && isOurChain(table, name)
  )
  const isOurs = found.some(({ name }) => name === CHAIN.owner)
  return found.length === 0 || isOurs ? undefined : `${found.length} chains KUBE-* of iptables`
}

function dockerChains({ chains }: Facts): string | undefined {
  const found = chains.filter(({ name }) => name === 'DOCKER')
  return found.length === 0 ? undefined : `chain DOCKER in ${list(found.map(({ family, table }) => `${family} ${table}`))}`
}

function kubeIpvs({ links, virtualServices }: Facts): string | undefined {
  if (!links.includes('kube-ipvs0')) return undefined
  return virtualServices === undefined ? 'link kube-ipvs0' : `link kube-ipvs0 and ${virtualServices} virtual services of IPVS`
}

function legacyTables({ legacy }: Facts): string | undefined {
  const found = legacy === undefined ? [] : (['ip', 'ip6'] as const).flatMap((family) => legacy[family].map((name) => `${family} ${name}`))
  return found.length === 0 ? undefined : `tables of the legacy interface: ${list(found)}`
}

const STOP_PROXY = 'stop kube-proxy, then run kube-proxy --cleanup'

const WRITERS: readonly Writer[] = [
  {
    subject: 'kube-proxy (nftables)',
    found: tablesCalled('kube-proxy'),
    meaning: 'packets are translated by whichever plane sees them first',
    remedy: STOP_PROXY
  },
  {
    subject: 'kube-proxy (iptables)',
    found: kubeChains,
    meaning: 'packets are translated by whichever plane sees them first, and mode iptables takes them for foreign',
    remedy: STOP_PROXY
  },
  {
    subject: 'kube-proxy (ipvs)',
    found: kubeIpvs,
    meaning: 'kube-proxy and mode ipvs would both write virtual services',
    remedy: STOP_PROXY
  },
  {
    subject: 'firewalld',
    found: tablesCalled('firewalld'),
    meaning: 'it may drop packets that a plane forwards, since a packet must be accepted by every table',
    remedy: 'firewall-cmd --list-all, and allow the addresses of the services'
  },
  {
    subject: 'docker',
    found: dockerChains,
    meaning: 'it sets the policy of forwarded packets to drop',
    remedy: 'iptables -I DOCKER-USER -j ACCEPT for the addresses of endpoints'
  },
  {
    subject: 'iptables-legacy',
    found: legacyTables,
    meaning: 'packets meet these rules, too, and this package neither shows nor changes them',
    remedy: 'iptables-legacy-save shows them; use iptables-nft'
  }
]

/** Programs whose traces are there, as warnings; that there are none is a finding too. */
export function otherWriters(facts: Facts): Finding[] {
  const found = WRITERS.flatMap(({ subject, found: look, meaning, remedy }): Finding[] => {
    const trace = look(facts)
    return trace === undefined ? [] : [{ health: 'warning', subject, meaning: `${trace}: ${meaning}`, remedy }]
  })
  if (facts.refusals.nftables !== undefined)
    return [
      ...found,
      { health: 'warning', subject: 'other writers', meaning: 'it is not known whether there are some: nf_tables cannot be read' }
    ]
  return found.length > 0
    ? found
    : [{ health: 'ok', subject: 'other writers', meaning: 'no traces of kube-proxy, firewalld, docker or iptables-legacy' }]
}
