import type { Expected, Row } from './types.js'

/** How often to ask until a server that must not answer would have: one that has half of the connections is missed in one run of 1,000. */
const OFTEN = 10
/** Until which all servers have answered: of three, one is missed in one run of 10^11. */
const UNTIL = 64
/** Of connections in proportion. */
const PROPORTION = 120
/** How often each of many clients asks, unless the row says so: that 25 of them kept one of two endpoints by chance happens in one run of 10^7. */
const ROUNDS = 2

/** How often to ask. */
export interface Times {
  readonly least: number
  readonly most: number
  /** Servers after whose answers no more are needed. */
  readonly want: readonly string[]
  readonly pauseMs: number
}

/** How often to ask, by what is expected, how many endpoints there are, and from how many addresses. */
export function timesFor(row: Row, expected: Expected): Times {
  const { endpoints, pauseMs = 0 } = row
  if (!('answers' in expected)) return { least: 1, most: 1, want: [], pauseMs }
  const want = Object.keys(expected.answers)
  const fixed = fixedTimes(row, expected)
  if (fixed !== undefined) return { least: fixed, most: fixed, want, pauseMs }
  return { least: endpoints.length > want.length ? OFTEN : 1, most: UNTIL, want, pauseMs }
}

/** Where not the first answers alone tell. */
function fixedTimes({ sources, rounds = ROUNDS }: Row, { shares, sticky }: Extract<Expected, { answers: unknown }>): number | undefined {
  if (shares !== undefined) return PROPORTION
  if (sources.length > 1) return rounds * sources.length
  return sticky ? OFTEN : undefined
}
