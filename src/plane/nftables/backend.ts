/**
 * Services as elements of few large maps in nf_tables.
 */
import type { UnsupportedError } from '../../core/errors.js'
import { Nftables } from '../../nftables/index.js'
import type { Backend } from '../core/backend.js'
import type { Run } from '../core/run.js'
import type { Service } from '../model.js'
import { compileAhead, type TableOptions } from '../tables/layout/table.js'
import { tableParts } from '../tables/open.js'
import type { TableParts } from '../tables/parts.js'
import { ServiceTables } from '../tables/tables.js'
import type { PlaneEvent, StatusDetails, SyncDetails } from '../types.js'
import type { NftablesPlaneSettings } from './options.js'
import { unsupportedByNftables } from './support.js'

/** Made by {@link openNftablesBackend}. */
class NftablesBackend extends ServiceTables implements Backend {
  readonly #hasFallback: boolean

  constructor(nft: Nftables, options: TableOptions, parts: TableParts, hasFallback: boolean) {
    super(nft, options, parts)
    this.#hasFallback = hasFallback
  }

  unsupported(service: Service): UnsupportedError | undefined {
    return unsupportedByNftables(service, this.#hasFallback)
  }

  details({ requests, bytes, retries }: Run): SyncDetails {
    return { mode: 'nftables', commits: requests, bytes, generation: this.generation, retries }
  }

  status(): StatusDetails {
    return { mode: 'nftables', generation: this.generation }
  }
}

/** Opens the back end; nothing is written. @param tell Told what it finds by itself. */
export async function openNftablesBackend(options: NftablesPlaneSettings, tell: (event: PlaneEvent) => void): Promise<Backend> {
  const { table, client, reservedPorts, hasFallback } = options
  const nft = await Nftables.open(client)
  await compileAhead(table)
  return new NftablesBackend(nft, table, tableParts(nft, { table, reservedPorts, isFake: client.kernel !== undefined }, tell), hasFallback)
}
