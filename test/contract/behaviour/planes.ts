import { predictionOf } from './explained.js'
import { localSources } from './network.js'
import type { Difference, Subject } from './run.js'
import { openPlane } from '../../../src/index.js'

const withoutIpvsSchedulers: Difference = {
  name: 'no schedulers of IPVS',
  reason: 'nf_tables has no schedulers of IPVS: such a service is refused, unless option `schedulerFallback` says what to take.',
  applies: ({ id }) => id.startsWith('scheduler/'),
  instead: () => ({ unsupported: 'ERR_NETPLANE_UNSUPPORTED' })
}

const onlyRandom: Difference = {
  name: 'no scheduler but `random`',
  reason:
    'iptables chooses by chance alone: a service that asks for another scheduler is refused, unless option `schedulerFallback` says `random`.',
  applies: ({ services }) => services.some(({ scheduler = 'random' }) => scheduler !== 'random'),
  instead: () => ({ unsupported: 'ERR_NETPLANE_UNSUPPORTED' })
}

const withoutIpvsFallThrough: Difference = {
  name: 'other ports of external addresses',
  reason: "The addresses of services are this node's own, on the dummy device, so that what has no service is refused, and not routed on.",
  applies: ({ about, kind, expected }) =>
    kind !== 'node' && kind !== 'cluster' && 'answers' in expected && 'uplink' in expected.answers && about.Asked !== undefined,
  instead: () => ({ refused: 'icmp' })
}

const rememberedForLonger: Difference = {
  name: 'clients are remembered for longer',
  reason:
    'IPVS remembers a client for as long as it has connections of it, and it has those of TCP for two minutes after their end: the time of affinity begins then.',
  applies: ({ kind, expected }) => kind === 'cluster' && 'answers' in expected && expected.forgotten === true,
  instead: ({ expected }) => ({ answers: 'answers' in expected ? expected.answers : {}, sticky: true })
}

const withoutSctp: Difference = {
  name: 'no SCTP',
  reason: 'Relays speak TCP and UDP: a service of SCTP is refused.',
  applies: ({ services }) => services.some(({ protocol }) => protocol === 'sctp'),
  instead: () => ({ unsupported: 'ERR_NETPLANE_UNSUPPORTED' })
}

const onlySchedulersOfRelays: Difference = {
  name: 'no scheduler but `random` and `hash`',
  reason: 'Relays have no other schedulers: such a service is refused, unless option `schedulerFallback` says what to take.',
  applies: ({ services }) => services.some(({ scheduler = 'random' }) => scheduler !== 'random' && scheduler !== 'hash'),
  instead: () => ({ unsupported: 'ERR_NETPLANE_UNSUPPORTED' })
}

const seesRelay: Difference = {
  name: 'endpoints see the node',
  reason: 'A relay makes a connection of its own to an endpoint, which sees an address of the node, whoever the client is.',
  applies: ({ expected }) =>
    'answers' in expected && Object.entries(expected.answers).some(([server, seen]) => server !== 'uplink' && seen === 'client'),
  instead: ({ expected }) => {
    if (!('answers' in expected)) return expected
    const answers = Object.entries(expected.answers).map(([server, seen]) => [server, server === 'uplink' ? seen : 'node'] as const)
    return { ...expected, answers: Object.fromEntries(answers) }
  }
}

/** A plane of netplane. */
const plane = (
  mode: 'nftables' | 'ipvs' | 'iptables' | 'userspace',
  about: string,
  requires: readonly string[],
  differences: readonly Difference[]
): Subject => ({
  name: mode,
  about,
  requires,
  differences,
  // Scheduler random is wrr there.
  ...(mode === 'ipvs' && { takesTurns: true }),
  ...(mode === 'userspace' && { isOfProcess: true, rowsAtOnce: 32 }),
  open: async (network, settings) => {
    const ranges = settings.serviceRanges.length === 0 ? {} : { serviceRanges: settings.serviceRanges }
    const common = {
      netns: network.node.path,
      auditMs: 0,
      staleFlows: false,
      localSources: [localSources.ip, localSources.ip6],
      nodeAddresses: settings.nodeAddresses,
      ...ranges
    } as const
    const { masquerade } = settings
    const opened = await openPlane(mode === 'userspace' ? { mode, loopbackNodePorts: false, ...common } : { mode, masquerade, ...common })
    return {
      apply: async (services) => {
        const { quarantined } = await opened.sync(services)
        return new Map(quarantined.map(({ service, error }) => [service, (error as Error & { code?: string }).code ?? error.message]))
      },
      explain: (row) => predictionOf(opened, row),
      close: () => opened.close({ cleanup: true })
    }
  }
})

/** The planes of this package. */
export const planes: readonly Subject[] = [
  plane('nftables', 'Elements of few large sets and maps.', ['nftables'], [withoutIpvsSchedulers]),
  plane(
    'ipvs',
    'Virtual services of IPVS, with tables of nf_tables beside them.',
    ['ipvs', 'nftables'],
    [withoutIpvsFallThrough, rememberedForLonger]
  ),
  plane('iptables', "Rules of iptables in kube-proxy's layout.", ['nftables'], [onlyRandom]),
  plane(
    'userspace',
    'Relays of the process, with tables of nf_tables before them.',
    ['nftables'],
    [withoutSctp, onlySchedulersOfRelays, seesRelay]
  )
]
