// Which endpoints kube-proxy chooses (CategorizeEndpoints in pkg/proxy/topology.go, Kubernetes 1.37), of a service as the model has it.
import type { Endpoint } from '../../../../src/plane/model.js'

/** Endpoints of one family. */
export interface Categories {
  readonly cluster: readonly Endpoint[]
  readonly local: readonly Endpoint[]
  /** Whether there is one anywhere. */
  readonly any: boolean
}

const isReady = ({ state }: Endpoint): boolean => state === undefined || state === 'ready'
const isServing = ({ state }: Endpoint): boolean => state === 'serving'

/**
 * kube-proxy knows no weights. Of sides it knows one: hints keep an endpoint out of the choice among all while there are ready ones with hints for this
 * node, and policy `local` ignores them.
 */
export function categorize(endpoints: readonly Endpoint[]): Categories {
  const ready = endpoints.filter(isReady)
  const serving = endpoints.filter(isServing)
  const hinted = ready.filter(({ side }) => side !== 'local')
  const wide = hinted.length > 0 ? hinted : ready
  const here = ready.filter(({ local }) => local)
  return {
    cluster: wide.length > 0 ? wide : serving,
    local: here.length > 0 ? here : serving.filter(({ local }) => local),
    any: ready.length > 0 || serving.length > 0
  }
}
