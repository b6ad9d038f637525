// How long the planes are run.
import process from 'node:process'

/** Minutes for all modes together. */
export const soakMinutes = Number(process.env.NETPLANE_SOAK_MINUTES ?? 2)
