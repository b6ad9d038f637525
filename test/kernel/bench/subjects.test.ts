import { beforeEach, expect, it } from 'vitest'
import { openSubject, type OptionsOf, type SubjectName } from '../../../bench/subjects/index.js'
import { loadNetplane } from '../../../bench/frame/netplane.js'
import { measureFolder } from '../../../bench/proxy/folder.js'
import { makeNamespace, type TestNamespace } from '../../support/namespace.js'

let namespace: TestNamespace

beforeEach(async () => {
  namespace = await makeNamespace()
})

const plane = { mode: 'nftables', services: 3, endpoints: 4 } as const

/** What the bench measures without IPVS, but for subjects that need a client beside them or that fill the whole machine: small. */
const subjects = {
  'nftables-load': { endpoints: 40, sized: true },
  'nftables-objects': { chains: 3, isRepeated: true },
  'iptables-rules': { chains: 3, isRepeated: true },
  'nftables-update': { endpoints: 40, waits: false },
  'nftables-list': { endpoints: 40, as: 'objects' },
  'nftables-generation': {},
  'route-addresses': { addresses: 3 },
  'plane-sync': plane,
  'plane-update': { ...plane, change: 'swap' },
  'plane-switch': { services: 3, endpoints: 4, from: 'nftables', to: 'iptables' }
} as const satisfies { [Name in SubjectName]?: OptionsOf<Name> }

it.each(Object.entries(subjects))('the bench can do what %s measures', async (name, options) => {
  const netplane = await loadNetplane(process.cwd())
  const session = await openSubject(name as SubjectName, netplane, namespace.path, options)
  try {
    await expect(session.work()).resolves.toBeUndefined()
  } finally {
    await session.close()
  }
})

it('the bench can do what the rows of the proxy on a folder measure', async () => {
  const netplane = await loadNetplane(process.cwd())
  const task = { root: process.cwd(), size: { services: 5, endpoints: 4 } }
  const pace = { settleMs: 0, idleMs: 100, quietMs: 100, atOnce: 3, changes: 2, timeoutMs: 30_000 }
  const figures = await measureFolder(netplane, namespace, task, pace)
  const measured = ['start', 'restart', 'change', 'change-p99', 'changes', 'memory', 'memory-peak'] as const
  for (const name of measured) expect(figures[name], name).toBeGreaterThan(0)
  expect(figures.idle).toBeGreaterThanOrEqual(0)
})
