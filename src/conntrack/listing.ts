/**
 * A listing as objects.
 */
import { Slices } from '../core/slices.js'
import type { NativeFlowPiece } from '../native/index.js'
import { FlowReader } from './columns.js'
import type { Flow } from './types.js'

/** All flows stay alive, so the garbage collector copies them: up to 8 ms at a time, which fall into some slice. */
const SLICE_MS = 2

/** Makes the flows of all pieces, in slices that leave the event loop alone. */
export async function readFlows(pieces: readonly NativeFlowPiece[]): Promise<Flow[]> {
  const flows: Flow[] = []
  const slices = new Slices(SLICE_MS)
  const texts = new Map<number, string>()
  for (const piece of pieces) {
    const reader = new FlowReader(piece, texts)
    for (let row = 0; row < reader.rows; row++) {
      flows.push(reader.flow(row))
      if ((row & 0x7f) === 0 && slices.isOver) await slices.turn()
    }
  }
  return flows
}
