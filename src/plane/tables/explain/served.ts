/**
 * What becomes of a connection that endpoints get.
 */
import type { ExplainedEndpoint, ExplainedShare, ExplanationOutcome } from '../../explanation.js'
import { mayBeRefused, type Refused } from './refusal.js'
import type { Destination, Scene } from './scene.js'
import { sourcesFor } from './source.js'

/**
 * Says whose address each endpoint sees, and which of them the connection does not reach.
 *
 * @param refused What the chains do that see the packet on its way to an endpoint; undefined: it passes.
 */
export async function served<S extends Scene>(
  scene: S,
  service: string | undefined,
  endpoints: readonly ExplainedShare[],
  refused: (scene: S, endpoint: Destination) => Promise<Refused | undefined>
): Promise<ExplanationOutcome> {
  const sourced = await sourcesFor(scene, scene.question, endpoints)
  const suspects = await mayBeRefused(scene, endpoints)
  const explained: ExplainedEndpoint[] = []
  for (const endpoint of sourced) {
    const refusal = suspects.has(endpoint.address) ? await refused(scene, endpoint) : undefined
    explained.push({ ...endpoint, ...(refusal === undefined ? {} : { refusal: { type: refusal.type, reason: refusal.reason } }) })
  }
  return { type: 'served', service, endpoints: explained }
}
