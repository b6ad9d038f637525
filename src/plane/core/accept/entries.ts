/**
 * What single frontends and endpoints must be like. Each check returns the IPv4 address as a number, or -1.
 */
import type { Endpoint, Frontend } from '../../model.js'
import { requireFields, requireKnown } from '../../../core/checks.js'
import { checkAddress, checkCarrier, checkFields, checkInteger, checkOneOf, checkStays, refuse } from './checks.js'
import { checkSourceRanges } from './source-ranges.js'
import { MAX_WEIGHT } from '../balance/weights.js'

/** Every kind of frontend there is. */
export const FRONTEND_KINDS = ['cluster', 'external', 'loadBalancer', 'node'] as const
/** Every traffic policy, and every side of an endpoint, there is. */
export const POLICIES = ['cluster', 'local'] as const
/** Every state of an endpoint there is. */
export const STATES = ['ready', 'serving', 'draining'] as const
const FAMILY_WORDS = ['ip', 'ip6'] as const

/** Fields by kind of frontend. */
const FRONTEND_FIELDS: Readonly<Record<(typeof FRONTEND_KINDS)[number], readonly string[]>> = {
  cluster: ['kind', 'address', 'port', 'trafficPolicy', 'carrier'],
  external: ['kind', 'address', 'port', 'trafficPolicy', 'carrier'],
  loadBalancer: ['kind', 'address', 'port', 'trafficPolicy', 'carrier', 'sourceRanges'],
  node: ['kind', 'port', 'trafficPolicy', 'carrier', 'family']
}
const OPTIONAL_FIELDS = ['weight', 'local', 'state', 'side'] as const
const ENDPOINT_FIELDS = ['address', 'port', ...OPTIONAL_FIELDS]

/** @throws {ValidationError} */
export function checkFrontend(frontend: Frontend): number {
  requireFields('', frontend)
  checkOneOf('.kind', frontend.kind, FRONTEND_KINDS)
  checkFields(frontend, FRONTEND_FIELDS[frontend.kind])
  const address = frontend.kind === 'node' ? -1 : checkAddress(frontend.address)
  checkInteger('.port', frontend.port, 1, 65_535)
  if (frontend.trafficPolicy !== undefined) checkOneOf('.trafficPolicy', frontend.trafficPolicy, POLICIES)
  if (frontend.carrier !== undefined) checkCarrier('.carrier', frontend.carrier)
  if (frontend.kind === 'node' && frontend.family !== undefined) checkOneOf('.family', frontend.family, FAMILY_WORDS)
  if (frontend.kind === 'loadBalancer' && frontend.sourceRanges !== undefined)
    checkSourceRanges(frontend.sourceRanges, address < 0 ? 'ip6' : 'ip')
  return address
}

/** @throws {ValidationError} */
export function checkEndpoint(endpoint: Endpoint): number {
  checkEndpointFields(endpoint)
  const address = checkAddress(endpoint.address)
  const { port, weight, local, state, side } = endpoint
  checkInteger('.port', port, 1, 65_535)
  if (weight !== undefined) checkInteger('.weight', weight, 0, MAX_WEIGHT)
  if (local !== undefined && typeof local !== 'boolean') refuse('.local', local, 'true or false')
  if (state !== undefined) checkOneOf('.state', state, STATES)
  if (side !== undefined) checkOneOf('.side', side, POLICIES)
  return address
}

/** As `checkFields`, for what there is a hundred thousand of: names are compared one by one, as constants. */
function checkEndpointFields(endpoint: Endpoint): void {
  requireFields('', endpoint)
  for (const field in endpoint) {
    if (field === 'address' || field === 'port' || field === 'weight' || field === 'local' || field === 'state' || field === 'side')
      continue
    requireKnown('.', endpoint, ENDPOINT_FIELDS)
  }
  checkStays('', endpoint, 'address')
  checkStays('', endpoint, 'port')
  for (const field of OPTIONAL_FIELDS) if (endpoint[field] !== undefined) checkStays('', endpoint, field)
}
