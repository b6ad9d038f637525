// How long things are run that run as long as one likes.
import process from 'node:process'

const minutesOr = (usual) => Number(process.env.NETPLANE_SOAK_MINUTES ?? usual)

/** Minutes for all modes of planes together. */
export const soakMinutes = minutesOr(2)

/** Minutes for all modes of the example proxy together, on a real Kubernetes API. */
export const clusterSoakMinutes = minutesOr(1)
