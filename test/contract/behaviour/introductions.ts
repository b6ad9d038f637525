import { chapter as choice } from './rows/choice.js'
import { chapter as masquerade } from './rows/masquerade.js'
import { chapter as nodeAddresses } from './rows/node-addresses.js'
import { chapter as ranges } from './rows/ranges.js'
import { chapter as serviceRange } from './rows/service-range.js'
import { schedulersChapter, weightsChapter } from './rows/schedulers.js'
import { mixedChapter, portsChapter } from './rows/special.js'
import { chapter as sticky } from './rows/sticky.js'

/** Sentences before the table of a chapter, a line each. */
export const introductions: Readonly<Record<string, readonly string[]>> = {
  [choice]: [
    'Clients that are in no local range are masqueraded at cluster addresses here, and pods are not.',
    'Ready endpoints are chosen, and serving ones where none is ready; policy `cluster` and policy `local` decide that apart.',
    'Where policy `local` holds for a client, and endpoints are on other nodes only, packets are dropped; where there is no endpoint at all, they are refused.',
    'An endpoint that asks its own service is masqueraded when it is sent to itself.'
  ],
  [masquerade]: ['An option says whose connections to cluster addresses are masqueraded.', 'Other frontends do not depend on it.'],
  [nodeAddresses]: [
    'Loopback addresses serve them where option `loopbackNodePorts` or a [carrier](carriers.md) says so: see the pages of the modes.',
    'The node has its primary address, another one on a second link, the gateway of the pods, and loopback.',
    "At addresses that are not selected the node's own kernel answers, as nobody listens there: with a reset for TCP, with ICMP for UDP."
  ],
  [ranges]: [
    'Ranges are of one frontend of kind `loadBalancer`; other frontends of the service are open to all.',
    'Who is not served is dropped before anything else, whether there are endpoints or not.'
  ],
  [sticky]: [
    'Affinity and the schedulers `hash` and `consistent` keep each client address at its endpoint, also through masquerade.',
    'Many clients use all endpoints.'
  ],
  [portsChapter]: [
    'Cluster addresses belong to services alone.',
    'Addresses from outside may have other uses, and are left alone but for the ports of services.'
  ],
  [serviceRange]: ['A plane that is told where cluster addresses come from drops packets to those that no service has.'],
  [mixedChapter]: ['Each frontend has its own policy.', 'A family without endpoints is refused, whatever the other family has.'],
  [weightsChapter]: ['Connections are shared in proportion to the weights.'],
  [schedulersChapter]: ['A plane that lacks a scheduler refuses the service by an error.']
}
