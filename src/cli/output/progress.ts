/**
 * How far a command has come, on one line of a terminal that is written anew and goes in the end.
 */
import type { Plane, PlaneEvent } from '../../plane/index.js'
import type { CommandEnvironment } from '../environment.js'

/** xterm's control sequence (ctlseqs) that removes what a line has from the cursor on. */
const CLEAR = '\r\u001b[K'

type Progress = Omit<Extract<PlaneEvent, { readonly type: 'progress' }>, 'type'>

const number = new Intl.NumberFormat('en')

/** `1,200 of 10,000 services, 2,400 a second, 4 s left`, as far as it fits. @param columns Of the terminal. */
export function progressLine({ services, of, perSecond }: Progress, columns: number): string {
  const parts = [`${number.format(services)} of ${number.format(of)} services`]
  if (perSecond > 0) parts.push(`${number.format(perSecond)} a second`, `${number.format(Math.ceil((of - services) / perSecond))} s left`)
  while (parts.length > 1 && parts.join(', ').length >= columns) parts.pop()
  return parts.join(', ').slice(0, Math.max(columns - 1, 0))
}

/** Columns of a terminal that does not say how wide it is. */
const USUAL_COLUMNS = 80

/** Follows a plane on standard error while some work goes on, where that is a terminal. */
export async function withProgress<T>({ stderr, variables }: CommandEnvironment, plane: Plane, work: () => Promise<T>): Promise<T> {
  if (stderr.isTTY !== true || variables['TERM'] === 'dumb') return await work()
  const done = new AbortController()
  const following = follow(plane.watch({ signal: done.signal }), (progress) => {
    stderr.write(`${CLEAR}${progressLine(progress, stderr.columns ?? USUAL_COLUMNS)}`)
  })
  try {
    return await work()
  } finally {
    done.abort()
    if (await following) stderr.write(CLEAR)
  }
}

/** Whether there was anything to tell. */
async function follow(events: AsyncIterable<PlaneEvent>, tell: (progress: Progress) => void): Promise<boolean> {
  let hasTold = false
  try {
    for await (const event of events) {
      if (event.type !== 'progress') continue
      hasTold = true
      tell(event)
    }
  } catch {
    // The work is over.
  }
  return hasTold
}
