/** Minutes for all modes of planes together. */
export const soakMinutes: number
/** Minutes for all modes of the example proxy together, on a real Kubernetes API. */
export const clusterSoakMinutes: number
