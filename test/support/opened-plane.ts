import { onTestFinished } from 'vitest'
import { openPlane, type Plane, type PlaneOptions } from '../../src/index.js'

/** A plane that is closed when the test ends. */
export async function openedPlane(options: PlaneOptions): Promise<Plane> {
  const plane = await openPlane(options)
  onTestFinished(() => plane.close())
  return plane
}
