import { subjectRow } from '../frame/subject-row.js'
import { addressList } from '../subjects/route-addresses.js'

const addresses = 2000

/** `Route.addAddresses` against `ip -batch`. */
export const routeAddressesRow = subjectRow({
  name: `route-addresses-${addresses}`,
  unit: 'ms',
  about: `add ${addresses} IPv4 addresses to the loopback device in one call`,
  bar: { timesFloorAtMost: 1.3, fasterThanPeerAtLeast: { 'ip -batch': 1.2 } },
  rounds: 7,
  needs: ['ip'],
  subject: 'route-addresses',
  options: { addresses },
  repeat: 1,
  operations: 1,
  peers: {
    'ip -batch': {
      command: (file) => {
        const lines = addressList(addresses).map((address) => `address add ${address} dev lo\n`)
        return ['ip', '-batch', file('addresses.batch', lines.join(''))]
      },
      afterSetup: false
    }
  }
})
