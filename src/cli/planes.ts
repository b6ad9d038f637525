/**
 * Planes that live as long as a command.
 */
import { openPlane, type Plane } from '../plane/index.js'
import type { CommandEnvironment } from './environment.js'
import { planeOptionsFor, type Mode, type PlanePlace } from './options.js'

/** The mode of commands that need one and were not told. */
export const DEFAULT_MODE: Mode = 'nftables'

/**
 * Opens a plane, works with it, and closes it. What it has in the kernel stays.
 *
 * @param work Its failure is the one that is told, not one of closing.
 */
export async function withPlane<T>(
  environment: CommandEnvironment,
  mode: Mode,
  options: PlanePlace,
  work: (plane: Plane) => Promise<T>
): Promise<T> {
  const plane = await openPlane(planeOptionsFor(environment, mode, options))
  let result: T
  try {
    result = await work(plane)
  } catch (error) {
    await plane.close().catch(() => undefined)
    throw error
  }
  await plane.close()
  return result
}
