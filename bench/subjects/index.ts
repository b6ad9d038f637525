import type { Netplane } from '../frame/netplane.js'
import type { Session, Subject } from '../frame/subject.js'
import { conntrackCount, conntrackDelete, conntrackList } from './conntrack.js'
import { conntrackChurn, conntrackWatch } from './conntrack-watch.js'
import { dispatchChange } from './dispatch.js'
import { firstService } from './first-service.js'
import { iptablesRules } from './iptables-rules.js'
import { ipvsCalls, ipvsChange, ipvsColumns, ipvsList, ipvsSync } from './ipvs.js'
import { nftablesGeneration, nftablesList, nftablesLoad, nftablesUpdate } from './nftables-services.js'
import { nftablesObjects } from './nftables-objects.js'
import { planeSync, planeUpdate } from './plane.js'
import { planeDrift, planeLimit, planeMixed } from './plane-model.js'
import { planeSwitch } from './plane-switch.js'
import { routeAddresses } from './route-addresses.js'

/** Subjects by name, for the child process, which gets name and options as JSON. */
export const subjects = {
  'nftables-load': nftablesLoad,
  'nftables-objects': nftablesObjects,
  'iptables-rules': iptablesRules,
  'nftables-update': nftablesUpdate,
  'nftables-list': nftablesList,
  'nftables-generation': nftablesGeneration,
  'route-addresses': routeAddresses,
  'plane-sync': planeSync,
  'plane-update': planeUpdate,
  'plane-mixed': planeMixed,
  'plane-drift': planeDrift,
  'plane-limit': planeLimit,
  'plane-first-service': firstService,
  'plane-switch': planeSwitch,
  'dispatch-change': dispatchChange,
  'conntrack-list': conntrackList,
  'conntrack-count': conntrackCount,
  'conntrack-delete': conntrackDelete,
  'conntrack-churn': conntrackChurn,
  'conntrack-watch': conntrackWatch,
  'ipvs-sync': ipvsSync,
  'ipvs-calls': ipvsCalls,
  'ipvs-columns': ipvsColumns,
  'ipvs-list': ipvsList,
  'ipvs-change': ipvsChange
} as const satisfies Record<string, Subject<never>>

/** A subject's name. */
export type SubjectName = keyof typeof subjects

/** What a subject's options are. */
export type OptionsOf<Name extends SubjectName> = Parameters<(typeof subjects)[Name]>[2]

/** Makes a subject ready to work in the namespace at the path. */
export function openSubject<Name extends SubjectName>(
  name: Name,
  netplane: Netplane,
  netns: string,
  options: OptionsOf<Name>
): Promise<Session> {
  const open = subjects[name] as (...given: [Netplane, string, OptionsOf<Name>]) => Promise<Session>
  return open(netplane, netns, options)
}
