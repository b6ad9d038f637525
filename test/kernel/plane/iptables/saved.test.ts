import { expect, it, onTestFinished } from 'vitest'
import { openPlane } from '../../../../src/index.js'
import { checkIptablesPlaneOptions, type IptablesPlaneOptions } from '../../../../src/plane/iptables/options.js'
import { linesIn } from '../../../support/iptables-layout.js'
import { savedLines } from '../../../support/iptables.js'
import { makeNamespace, type TestNamespace } from '../../../support/namespace.js'
import { Random } from '../../../support/random.js'
import { randomService } from '../../../support/random-services.js'

const OPTIONS: readonly IptablesPlaneOptions[] = [
  { localSources: ['10.1.0.0/16', 'fd00:1::/64'], schedulerFallback: 'random' },
  {
    localSources: { interfacePrefix: 'cali' },
    schedulerFallback: 'random',
    masqueradeAddress: { ip: '192.0.2.1', ip6: 'fd00:2::1' },
    masqueradeBit: 31,
    serviceRanges: ['10.96.0.0/16', 'fd00:96::/112'],
    ownAddresses: 'serve',
    dropInvalid: true,
    healthCheckPorts: [{ from: 31_000, to: 31_099 }]
  },
  { localSources: ['10.1.0.0/24', '10.1.2.0/24', 'fd00:1::/64', 'fd00:3::/64'], schedulerFallback: 'random', masquerade: 'nonLocal' }
]

async function saved(namespace: TestNamespace, family: 'ip' | 'ip6'): Promise<string[]> {
  return (await savedLines(namespace, family)).filter((line) => line.startsWith('-A ')).sort()
}

it.each(OPTIONS.map((options, seed) => ({ options, seed })))(
  'iptables-nft-save prints what services become: options $seed',
  async ({ options, seed }) => {
    const namespace = await makeNamespace()
    const plane = await openPlane({ mode: 'iptables', netns: namespace.path, auditMs: 0, staleFlows: false, ...options })
    onTestFinished(() => plane.close())
    const random = new Random(seed)
    const services = Array.from({ length: 40 }, (_, number) => randomService(random, number))
    const desired = new Map(services.map((service) => [service.name, service]))
    expect((await plane.sync(desired)).quarantined).toEqual([])
    const layout = { services, settings: checkIptablesPlaneOptions(options).layout }
    for (const family of ['ip', 'ip6'] as const) {
      const lines = linesIn(family, layout).map((line) => line.replace(/^\S+ /, ''))
      expect(lines.length).toBeGreaterThan(50)
      expect(await saved(namespace, family)).toEqual(lines.sort())
    }
    await plane.close({ cleanup: true })
    for (const family of ['ip', 'ip6'] as const) expect(await saved(namespace, family)).toEqual([])
  }
)
