/**
 * How far a command has come, on one line of a terminal that is written anew and goes in the end.
 */
import type { Plane, PlaneEvent } from '../../plane/index.js'
import type { CommandEnvironment } from '../environment.js'
import { CLEAR_LINE, columnsOf, isScreen } from './terminal.js'

/** The line is empty, and begins anew. */
const CLEAR = `\r${CLEAR_LINE}`

type Progress = Omit<Extract<PlaneEvent, { readonly type: 'progress' }>, 'type'>

const number = new Intl.NumberFormat('en')

/** `1,200 of 10,000 services, 2,400 a second, 4 s left`, as far as it fits. @param columns Of the terminal. */
export function progressLine({ services, of, perSecond }: Progress, columns: number): string {
  const parts = [`${number.format(services)} of ${number.format(of)} services`]
  if (perSecond > 0) parts.push(`${number.format(perSecond)} a second`, `${number.format(Math.ceil((of - services) / perSecond))} s left`)
  // The time that is left says most, and is left out last.
  while (parts.length > 1 && parts.join(', ').length >= columns) parts.splice(1, 1)
  return parts.join(', ').slice(0, Math.max(columns - 1, 0))
}

/** Follows a plane on standard error while some work goes on, where that is a terminal. */
export async function withProgress<T>({ stderr, variables }: CommandEnvironment, plane: Plane, work: () => Promise<T>): Promise<T> {
  if (!isScreen(stderr, variables)) return await work()
  const events = plane.watch()
  const following = follow(events, (progress) => stderr.write(`${CLEAR}${progressLine(progress, columnsOf(stderr))}`))
  try {
    return await work()
  } finally {
    await events.return!()
    if (await following) stderr.write(CLEAR)
  }
}

/** Whether there was anything to tell. */
async function follow(events: AsyncIterable<PlaneEvent>, tell: (progress: Progress) => void): Promise<boolean> {
  let hasTold = false
  for await (const event of events) {
    if (event.type !== 'progress') continue
    hasTold = true
    tell(event)
  }
  return hasTold
}
