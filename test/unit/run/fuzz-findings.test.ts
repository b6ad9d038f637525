import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { expect, it } from 'vitest'
import { describeFindings } from '../../run/fuzz-findings.mjs'

it('prints the findings of this run of one fuzzer as hex', () => {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'netplane-findings-'))
  try {
    const write = (name: string, bytes: Uint8Array): void => writeFileSync(path.join(folder, name), bytes)
    write('nftables-crash-1', new Uint8Array([0, 0xab, 0xff]))
    write('nftables-oom-2', new Uint8Array(5000))
    write('nftables-crash-0', new Uint8Array([1]))
    utimesSync(path.join(folder, 'nftables-crash-0'), 1, 1)
    write('route-crash-1', new Uint8Array([2]))
    write('nftables-new', new Uint8Array([3]))
    expect(describeFindings(folder, 'nftables-', 2000)).toEqual([
      'nftables-crash-1: 00abff',
      `nftables-oom-2: ${'00'.repeat(4096)} (the first 4096 of 5000 bytes)`
    ])
  } finally {
    rmSync(folder, { recursive: true })
  }
})
