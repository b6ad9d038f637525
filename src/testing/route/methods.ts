/**
 * Which calls of the route client the methods of a socket are, for faults.
 */
import type { NativeAddressChange, NativeLinkChange } from '../../native/index.js'
import { outcomes, type FaultyMethods } from '../faults.js'

const VERBS = { create: 'add', add: 'add', set: 'update', replace: 'update', delete: 'remove' } as const

/** Methods of a socket that can fail. */
export const METHODS: FaultyMethods = {
  changeLink: { call: ({ verb }: NativeLinkChange) => VERBS[verb], answers: 'outcome' },
  changeAddresses: {
    call: ({ verb }: NativeAddressChange) => VERBS[verb],
    answers: 'rows',
    rows: ({ columns }: NativeAddressChange) => columns.rows
  },
  ...outcomes('list', 'listLinks', 'listAddresses'),
  ...outcomes('get', 'getLink'),
  ...outcomes('lookup', 'lookUpRoute')
}
