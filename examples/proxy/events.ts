import type { PlaneEvent } from 'netplane'
import type { Logger } from 'pino'

type Of<Type extends PlaneEvent['type']> = Extract<PlaneEvent, { readonly type: Type }>

/** What is logged of each event of a plane. */
const LINES: { readonly [Type in PlaneEvent['type']]: (log: Logger, event: Of<Type>) => void } = {
  drift: (log, { objects }) => log.warn({ differences: objects }, 'drift'),
  repaired: (log, { objects, durationMs }) => log.info({ objects, durationMs }, 'repaired'),
  contended: (log, { repairs }) => log.warn({ repairs }, 'another process keeps changing what is ours'),
  progress: (log, { services, of, perSecond }) => log.info({ services, of, perSecond }, 'services are being programmed'),
  quarantined: (log, { service, error }) => log.warn({ service, reason: error.message }, 'quarantined'),
  released: (log, { service }) => log.info({ service }, 'released'),
  flows: (log, { report }) => {
    if (report.deleted > 0) log.info(report, 'stale flows deleted')
  },
  affinityFull: (log, { family, frontends, clients }) => log.warn({ family, frontends, clients }, 'no more clients are remembered'),
  portTaken: (log, { protocol, port, address, service }) =>
    log.warn({ protocol, port, address, service }, 'a local process waits at a port of a service'),
  schedulerMissing: (log, { scheduler, fallback }) =>
    log.warn({ scheduler, fallback }, 'the kernel lacks a scheduler, another one is taken'),
  addressesAnnounced: (log, { link, addresses, option }) =>
    log.warn({ link, addresses, option }, 'this node answers for addresses of services on a link, unless the option is set'),
  connection: (log, { service, client, endpoint, ending, seconds, bytesFromClient, bytesToClient }) =>
    log.info({ service, client, endpoint, ending, seconds, bytesFromClient, bytesToClient }, 'a connection has ended'),
  connectionsRefused: (log, { service, count, reason }) => log.warn({ service, count, reason }, 'connections were refused'),
  switched: (log, { from, to }) => log.info({ from, to }, 'another mode carries all services'),
  left: (log, { mode, name }) => log.info({ mode, name }, 'nothing is left of a plane that was replaced'),
  error: (log, { error }) => log.error({ err: error }, 'the plane'),
  lost: (log, { count }) => log.warn({ count }, 'events were lost')
}

/** Logs an event of a plane. */
export function logEvent(log: Logger, event: PlaneEvent): void {
  const line = LINES[event.type] as (log: Logger, event: PlaneEvent) => void
  line(event.carrier === undefined ? log : log.child({ carrier: event.carrier }), event)
}
