/**
 * What of the model this plane does not carry.
 */
import { UnsupportedError } from '../../core/errors.js'
import type { Frontend, Service } from '../model.js'

function unsupportedPart(frontend: Frontend): string | undefined {
  if (frontend.kind === 'node') return 'ports of this node'
  if (frontend.trafficPolicy === 'local') return 'traffic policy local'
  return frontend.kind === 'loadBalancer' && frontend.sourceRanges !== undefined ? 'source ranges' : undefined
}

/** Why a service cannot be carried; undefined: it can. */
export function unsupportedByIpvs({ name, frontends }: Service): UnsupportedError | undefined {
  for (const [index, frontend] of frontends.entries()) {
    const missing = unsupportedPart(frontend)
    if (missing !== undefined)
      return new UnsupportedError(
        missing,
        `service ${JSON.stringify(name)}: frontends[${index}] asks for ${missing}; planes of mode 'nftables' have that`
      )
  }
  return undefined
}
