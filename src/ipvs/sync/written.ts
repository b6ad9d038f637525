/**
 * Real servers that a caller within the package writes into columns itself, because it has checked them before: no object is made for each.
 */
import type { RealServerColumns } from '../column-types.js'
import type { DesiredService } from './types.js'

/** How a desired service says that its real servers are written, in the place of `realServers`. */
export const writtenServers = Symbol('written servers')

/** The real servers of a service, checked by whoever gives them: each address and port once, of the family of the service. They must stay as they are. */
export interface WrittenServers {
  /** How many there are. */
  readonly count: number
  /** Writes them from a row on. In columns that stay 0 they have the default. */
  write(columns: RealServerColumns, from: number): void
}

/** A desired service of a caller within the package. */
export type WritingService = DesiredService & { readonly [writtenServers]?: WrittenServers | undefined }
