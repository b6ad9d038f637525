/**
 * The tables that services are in.
 */
import type { IptablesTableName } from '../../../iptables/index.js'

/** What translates addresses, and what refuses packets. */
export const TABLES: readonly IptablesTableName[] = ['nat', 'filter']
