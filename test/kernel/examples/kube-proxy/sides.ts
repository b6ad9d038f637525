// The two that are compared: the rules that a kube-proxy wrote, and what the example proxy makes of the same objects.
import { readCommand } from '../../../../examples/proxy/configuration/command.js'
import { translate } from '../../../../examples/proxy/kubernetes/translate.js'
import { planeOptionsOf } from '../../../../examples/proxy/plane-options.js'
import { openPlane, type Protocol } from '../../../../src/index.js'
import { localSources, type Network } from '../../../contract/behaviour/network.js'
import { restoreSeenInIptables } from '../../../support/kube-proxy-iptables.js'
import { NODE } from '../../../support/kubernetes-services.js'
import type { Case } from './cases.js'

/** A mode of ours, and the mode of kube-proxy that it is compared with. */
export interface Mode {
  readonly mode: 'nftables' | 'iptables' | 'ipvs' | 'userspace'
  readonly like: 'nftables' | 'iptables'
  /** What the example proxy is told beside what kube-proxy was told. */
  readonly options?: readonly string[]
  /** It works in the namespace of its own process alone: the node must be that. */
  readonly isOfProcess?: true
  /** Services of this protocol are refused. */
  readonly refuses?: Protocol
}

/** What makes a node serve the objects of a case. */
export interface Side {
  apply(one: Case): Promise<void>
  close(): Promise<void>
}

/** kube-proxy's options where its rules were seen. In mode nftables it learns the ranges of cluster addresses from the API server. */
const OPTIONS = [`--cluster-cidr=${localSources.ip},${localSources.ip6}`, `--hostname-override=${NODE.name}`]
const RANGES = ['--service-ranges', '10.96.0.0/12,fd00:10:96::/112']

/** All that are compared. */
export const MODES: readonly Mode[] = [
  { mode: 'nftables', like: 'nftables', options: RANGES },
  { mode: 'iptables', like: 'iptables' },
  { mode: 'userspace', like: 'iptables', isOfProcess: true, refuses: 'sctp' }
]

function openNftables({ node }: Network): Promise<Side> {
  return Promise.resolve({
    apply: async ({ nftables }) => {
      await node.run('nft', ['-f', '-'], { input: `flush ruleset\n${nftables}\n` })
    },
    close: () => Promise.resolve()
  })
}

async function openIptables({ node }: Network): Promise<Side> {
  // kube-proxy does so for ports of the node at loopback addresses.
  await node.run('sh', ['-c', 'echo 1 >/proc/sys/net/ipv4/conf/all/route_localnet'])
  return { apply: ({ iptables }) => restoreSeenInIptables(node, iptables), close: () => Promise.resolve() }
}

/** Loads what kube-proxy wrote, by the programs of nf_tables and iptables. */
export const openTheirs = { nftables: openNftables, iptables: openIptables } as const

/** The example proxy's translation and plane, by the options that kube-proxy had. */
export async function openOurs({ node }: Network, { mode, options = [], refuses }: Mode): Promise<Side> {
  const command = readCommand([`--proxy-mode=${mode}`, ...OPTIONS, ...options, '--netns', node.path, '--manifests', '.'])
  const plane = await openPlane(planeOptionsOf(command.options))
  return {
    apply: async ({ name, objects }) => {
      const services = translate(objects, command.options)
      const { quarantined } = await plane.sync(services)
      const expected = [...services.values()].flatMap((service) => (service.protocol === refuses ? [service.name] : []))
      const refused = quarantined.map(({ service }) => service)
      if (String(refused) !== String(expected)) throw new Error(`${name}: ${quarantined.map(({ error }) => error.message).join(', ')}`)
    },
    close: () => plane.close({ cleanup: true })
  }
}
