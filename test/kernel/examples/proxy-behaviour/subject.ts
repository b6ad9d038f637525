// The example proxy as a program, which reads the services of rows from a folder of manifests.
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { localSources, nodeAddress, type Network } from '../../../contract/behaviour/network.js'
import { planes } from '../../../contract/behaviour/planes.js'
import { expectedOf } from '../../../contract/behaviour/expected.js'
import type { Difference, Opened, Subject } from '../../../contract/behaviour/run.js'
import { settings, type Expected, type Row, type Settings } from '../../../contract/behaviour/types.js'
import { NODE } from '../../../support/kubernetes-services.js'
import { patience } from '../../../support/lab.js'
import { PROXY } from '../../../support/manifests.js'
import { startProgram, type Background } from '../../../support/run.js'
import { objectsOf, translatedName } from './manifests.js'
import type { Service } from '../../../../src/plane/model.js'

export type Mode = 'nftables' | 'iptables' | 'ipvs' | 'userspace'

const START_MS = 60_000 * patience

const servedAtLoopback = (row: Row): Expected => expectedOf({ ...row, masquerade: settings[row.settings].masquerade })

/** The plane that rows run on is opened without; the proxy has them in this mode, as kube-proxy's had. */
const atLoopback: Difference = {
  name: 'node ports at loopback addresses',
  reason: 'The node reaches its node ports at its loopback addresses, too.',
  applies: (row) =>
    row.kind === 'node' &&
    Object.values<string>(nodeAddress.loopback).includes(row.address) &&
    JSON.stringify(servedAtLoopback(row)) !== JSON.stringify(row.expected),
  instead: servedAtLoopback
}

function optionsFor(mode: Mode, { masquerade, nodeAddresses, serviceRanges }: Settings): string[] {
  return [
    ...['--mode', mode, '--node-name', NODE.name, '--listen', 'off', '--cleanup'],
    ...['--local-sources', `${localSources.ip},${localSources.ip6}`],
    ...['--node-port-addresses', typeof nodeAddresses === 'string' ? nodeAddresses : nodeAddresses.join()],
    ...(mode === 'userspace' ? [] : ['--masquerade', masquerade]),
    ...(serviceRanges.length === 0 ? [] : ['--service-ranges', serviceRanges.join()])
  ]
}

interface Synced {
  readonly msg: string
  readonly quarantined: readonly { readonly service: string; readonly reason: string }[]
}

/** The services that it has set aside, by the names that rows have. The log says why in words. */
function refusedBy(proxy: Background, services: ReadonlyMap<string, Service>): Map<string, string> {
  const lines = proxy.output().split('\n')
  const { quarantined } = JSON.parse(lines.find((line) => line.includes('"msg":"synced"'))!) as Synced
  const names = new Map([...services.values()].map((service) => [translatedName(service), service.name]))
  return new Map(
    quarantined.map(({ service, reason }) => {
      const isUnsupported = /scheduler|SCTP|sctp/.test(reason)
      return [names.get(service) ?? service, isUnsupported ? 'ERR_NETPLANE_UNSUPPORTED' : reason]
    })
  )
}

async function open({ node }: Network, settings: Settings, mode: Mode): Promise<Opened> {
  const folder = await mkdtemp(join(tmpdir(), 'netplane-behaviour-'))
  let proxy: Background | undefined
  return {
    apply: async (services) => {
      const items = [...services.values()].flatMap(objectsOf)
      await writeFile(join(folder, 'all.json'), JSON.stringify({ apiVersion: 'v1', kind: 'List', items }))
      const words = ['--manifests', folder, ...optionsFor(mode, settings)]
      proxy = startProgram('ip', ['netns', 'exec', node.name, process.execPath, PROXY, ...words])
      await proxy.waitFor('"msg":"synced"', START_MS)
      return refusedBy(proxy, services)
    },
    close: async () => {
      await proxy?.stop()
      await rm(folder, { recursive: true })
      const left = await node.run('nft', ['list', 'ruleset'])
      if (left !== '') throw new Error(`rules are left in mode ${mode}:\n${left.slice(0, 500)}`)
    }
  }
}

/** The proxy in a mode, which is to do what the plane of that mode does. */
export function proxyIn(mode: Mode): Subject {
  // Not `isOfProcess`: the proxy is a process of its own in the network namespace of the node, so that this may be any.
  const { name, about, requires, takesTurns, rowsAtOnce, differences: ofPlane } = planes.find((one) => one.name === mode)!
  const differences = [...ofPlane, ...(mode === 'userspace' ? [atLoopback] : [])]
  const pace = { ...(takesTurns && { takesTurns }), ...(rowsAtOnce !== undefined && { rowsAtOnce }) }
  return { name, about, requires, differences, ...pace, open: (network, chosen) => open(network, chosen, mode) }
}
