// The table: what every plane must do with packets.
import { makeSites } from './rows/build.js'
import { choiceRows } from './rows/choice.js'
import { masqueradeRows } from './rows/masquerade.js'
import { nodeAddressRows } from './rows/node-addresses.js'
import { otherFrontendRows, rangeRows } from './rows/ranges.js'
import { serviceRangeRows } from './rows/service-range.js'
import { schedulerRows, weightRows } from './rows/schedulers.js'
import { mixedRows, unusedPortRows } from './rows/special.js'
import { stickyRows } from './rows/sticky.js'
import type { Row } from './types.js'

function build(): readonly Row[] {
  const sites = makeSites()
  const parts = [
    choiceRows,
    masqueradeRows,
    nodeAddressRows,
    rangeRows,
    otherFrontendRows,
    stickyRows,
    unusedPortRows,
    serviceRangeRows,
    mixedRows,
    weightRows,
    schedulerRows
  ]
  return parts.flatMap((part) => part(sites))
}

/** All rows. */
export const rows = build()
