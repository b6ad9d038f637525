import { expect, it, onTestFinished } from 'vitest'
import { Nftables } from '../../../../src/index.js'
import { boundOf } from '../../../../src/nftables/pace.js'
import { BackendFailure } from '../../../../src/plane/core/backend.js'
import { GuardedWriter } from '../../../../src/plane/core/guarded-writer.js'
import { repairRun } from '../../../../src/plane/core/run.js'
import { withExtension } from '../../../../src/plane/iptables/apply/refusals.js'
import { writeRule } from '../../../../src/plane/iptables/rules.js'
import { makeNamespace } from '../../../support/namespace.js'
import { rejection } from '../../../support/rejection.js'

/** A match that no kernel has. */
const NOWHERE = { match: 'nosuch', opaque: { name: 'nosuch', revision: 3, info: new Uint8Array(8) } }

it('a match that the kernel lacks keeps out the service whose rule has it, and is named with its module', async () => {
  const { path: netns } = await makeNamespace()
  const nft = await Nftables.open({ netns })
  onTestFinished(() => nft.close())
  const writer = new GuardedWriter(nft, boundOf(Infinity), withExtension)
  writer.generation = (await nft.readGeneration()).id
  const place = { family: 'ip', table: 'nat', chain: 'c' } as const
  const make = {
    bytes: 100,
    queue: (tx: ReturnType<Nftables['transaction']>) => {
      tx.add.table({ family: 'ip', name: 'nat' })
      tx.add.chain({ family: 'ip', table: 'nat', name: 'c' })
    }
  }
  const owned = {
    bytes: 100,
    queue: () => undefined,
    queueOwned: (tx: ReturnType<Nftables['transaction']>) => {
      tx.add.rule({ ...place, ...writeRule({ matches: [NOWHERE] }, place) })
      return new Map([[tx.size - 1, ['shop/web:http']]])
    }
  }
  const error = await rejection(writer.write([make, owned], repairRun(new Map(), undefined), 'rules'))
  if (!(error instanceof BackendFailure)) throw error
  expect(error.kind).toBe('refused')
  expect(error.refusals).toMatchObject([{ service: 'shop/web:http', error: { code: 'ENOENT' } }])
  expect(String(error.refusals[0]!.error)).toContain('this kernel has no match nosuch of revision 3 (modprobe xt_nosuch)')
  expect(await nft.listTables()).toEqual([])
  // Without a service to blame it is told as it is.
  const ofAll = await rejection(
    writer.write([make, { ...owned, queue: owned.queueOwned, queueOwned: undefined }], repairRun(new Map(), undefined), 'rules')
  )
  expect(String(ofAll)).toContain('modprobe xt_nosuch')
})
