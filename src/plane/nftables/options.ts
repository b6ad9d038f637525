/**
 * Options of the nftables plane.
 */

import type { FakeKernel } from '../../core/open.js'
import type { NftablesOptions } from '../../nftables/index.js'
import { checkLocalSources } from '../core/local-sources.js'
import { checkAuditMs, checkKernel, checkName, checkNames } from '../core/options.js'
import type { TableOptions } from './layout.js'

/** What stands for the kernel: fakes of `netplane/testing`, one for each subsystem. */
export interface NftablesPlaneKernel {
  readonly nftables: FakeKernel<'nftables'>
  /** Without it, no stale flows are deleted. */
  readonly conntrack?: FakeKernel<'conntrack'> | undefined
}

/** Options of the nftables plane. */
export interface NftablesPlaneOptions extends Pick<NftablesOptions, 'netns' | 'deadlineMs' | 'signal'> {
  /** Name of our tables, one per family; default `netplane`. 1–31 letters, digits, `-`, `_`. */
  readonly name?: string | undefined
  /**
   * Prefixes whose hosts see endpoints' answers come back through this node without help: pods of this node, usually. Connections from elsewhere are masqueraded. Absent: nothing
   * is masqueraded but connections of an endpoint to itself; empty: everything is.
   */
  readonly localSources?: readonly string[] | undefined
  /** How often the kernel is audited, milliseconds, 10–3600000; default 100. 0: never. While no other process commits, an audit asks for the generation of the ruleset and nothing else. */
  readonly auditMs?: number | undefined
  /** Default: the kernel. */
  readonly kernel?: NftablesPlaneKernel | undefined
}

/** The options, checked. */
export interface NftablesPlaneSettings {
  readonly table: TableOptions
  readonly auditMs: number
  readonly client: NftablesOptions
}

/** Checks options. @throws {ValidationError} */
export function checkNftablesOptions(options: NftablesPlaneOptions): NftablesPlaneSettings {
  checkNames(options)
  const { netns, deadlineMs, signal } = options
  const kernel = checkKernel(options.kernel, ['nftables'])
  return {
    table: { name: checkName(options.name, 31), localSources: checkLocalSources(options.localSources) },
    auditMs: checkAuditMs(options.auditMs, { min: 10, fallback: 100 }),
    client: { netns, deadlineMs, signal, kernel: kernel?.nftables }
  }
}
