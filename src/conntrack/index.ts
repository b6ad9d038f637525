/**
 * Everything of the conntrack client that is public.
 */
export { Conntrack } from './client.js'
export type { FlowColumns } from './columns.js'
export type { AddressCondition, FlowEndpoint, FlowFilter, MaskedNumber, NumberRange, PortCondition } from './filter.js'
export type { ConntrackOptions } from './open.js'
export type { ConntrackSettingName, ConntrackSettings } from './settings.js'
export type * from './types.js'
export type { UsageEvent, UsageEvents, UsageWatchOptions } from './usage.js'
export type { ConntrackEvent, ConntrackEvents, ConntrackWatchOptions, FlowEvent, WatchStarted } from './watch.js'
