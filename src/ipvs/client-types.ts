/**
 * The methods of the IPVS client as a type: what a fake, a plane, or a layer on top (plan, sync, draining) can rely on.
 */
import type { CallOptions } from '../client.js'
import type {
  ChangeOptions,
  ChangeReport,
  IpvsColumns,
  RealServerChangeColumns,
  RealServerKeyColumns,
  ServiceColumns,
  ServiceKeyColumns
} from './column-types.js'
import type {
  AddOptions,
  ConnectionsOptions,
  IpvsConnection,
  IpvsInfo,
  IpvsTimeouts,
  ListOptions,
  RealServer,
  RealServerKey,
  RealServerOf,
  RealServerSpec,
  RemoveOptions,
  SyncDaemon,
  VirtualService,
  VirtualServiceKey,
  VirtualServiceListing,
  VirtualServiceSpec
} from './types.js'

/** What {@link Ipvs} does. Calls run one after the other, in the order in which they were made. */
export interface IpvsOperations {
  addService(service: VirtualServiceSpec, options?: AddOptions): Promise<void>
  updateService(service: VirtualServiceSpec, options?: CallOptions): Promise<void>
  removeService(service: VirtualServiceKey, options?: RemoveOptions): Promise<void>
  addRealServer(service: VirtualServiceKey, server: RealServerSpec, options?: AddOptions): Promise<void>
  updateRealServer(service: VirtualServiceKey, server: RealServerSpec, options?: CallOptions): Promise<void>
  removeRealServer(service: VirtualServiceKey, server: RealServerKey, options?: RemoveOptions): Promise<void>

  getService(service: VirtualServiceKey, options?: ListOptions): Promise<VirtualService>
  listServices(options?: ListOptions): Promise<VirtualService[]>
  listRealServers(service: VirtualServiceKey, options?: ListOptions): Promise<RealServer[]>
  list(options?: ListOptions): Promise<VirtualServiceListing[]>
  listColumns(options?: ListOptions): Promise<IpvsColumns>

  addServices(services: Iterable<VirtualServiceSpec> | ServiceColumns, options?: ChangeOptions): Promise<ChangeReport>
  updateServices(services: Iterable<VirtualServiceSpec> | ServiceColumns, options?: ChangeOptions): Promise<ChangeReport>
  removeServices(services: Iterable<VirtualServiceKey> | ServiceKeyColumns, options?: ChangeOptions): Promise<ChangeReport>
  addRealServers(servers: Iterable<RealServerOf> | RealServerChangeColumns, options?: ChangeOptions): Promise<ChangeReport>
  updateRealServers(servers: Iterable<RealServerOf> | RealServerChangeColumns, options?: ChangeOptions): Promise<ChangeReport>
  removeRealServers(
    servers: Iterable<RealServerOf<RealServerKey>> | RealServerChangeColumns<RealServerKeyColumns>,
    options?: ChangeOptions
  ): Promise<ChangeReport>

  zero(service?: VirtualServiceKey, options?: CallOptions): Promise<void>
  flush(confirmation: { readonly allServices: true }, options?: CallOptions): Promise<void>
  getTimeouts(options?: CallOptions): Promise<IpvsTimeouts>
  setTimeouts(timeouts: Partial<IpvsTimeouts>, options?: CallOptions): Promise<void>
  getInfo(options?: CallOptions): Promise<IpvsInfo>
  startDaemon(daemon: SyncDaemon, options?: CallOptions): Promise<void>
  stopDaemon(role: SyncDaemon['role'], options?: CallOptions): Promise<void>
  listDaemons(options?: CallOptions): Promise<SyncDaemon[]>
  connections(options?: ConnectionsOptions): AsyncIterable<IpvsConnection>
}
