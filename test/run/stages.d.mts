/** A part of the tests that `node test/run.mjs NAME` runs. */
export interface Stage {
  readonly name: string
}

/** In the order in which they run. */
export const stages: readonly Stage[]
