import { describe, expect, it, onTestFinished } from 'vitest'
import { NetlinkError, Nftables } from '../../../../../src/index.js'
import { FakeNftablesKernel } from '../../../../../src/testing.js'
import { NotedSettings } from '../../../../../src/plane/ipvs/settings/notes.js'
import { NodeSettings } from '../../../../../src/plane/ipvs/settings/settings.js'
import { possibleSettings, versionOf, type WantedSettings } from '../../../../../src/plane/ipvs/settings/table.js'

/** As the kernel has them at first. */
const DEFAULTS = {
  'ipv4/vs/conntrack': '0',
  'ipv4/vs/expire_nodest_conn': '0',
  'ipv4/vs/expire_quiescent_template': '0',
  'ipv4/vs/conn_reuse_mode': '1',
  'ipv4/ip_forward': '0',
  'ipv4/conf/all/arp_ignore': '0',
  'ipv4/conf/all/arp_announce': '0'
}

const NEEDED = {
  ...DEFAULTS,
  'ipv4/vs/conntrack': '1',
  'ipv4/vs/expire_nodest_conn': '1',
  'ipv4/vs/expire_quiescent_template': '1',
  'ipv4/ip_forward': '1'
}

class Node {
  readonly files: Record<string, string>
  readonly timeouts = { tcpSeconds: 900, tcpFinSeconds: 120, udpSeconds: 300 }
  readonly tables = new FakeNftablesKernel()
  readOnly: readonly string[] = []
  writes = 0

  constructor(files: Readonly<Record<string, string>> = DEFAULTS) {
    this.files = { ...files }
  }

  /** What one process has of them. */
  async settings(options: Partial<WantedSettings> = {}, release = '6.1.0'): Promise<NodeSettings> {
    const nft = await Nftables.open({ kernel: this.tables })
    onTestFinished(() => nft.close())
    const files = {
      read: (name: string) => Promise.resolve(this.files[name] ?? ''),
      write: (name: string, value: string) => {
        if (this.readOnly.includes(name)) return Promise.reject(new NetlinkError({ errno: 30, operation: 'plane.sync', subject: name }))
        this.writes++
        this.files[name] = value
        return Promise.resolve()
      }
    }
    const ipvs = {
      readTimeouts: () => Promise.resolve({ ...this.timeouts }),
      writeTimeouts: (given: Partial<Node['timeouts']>) => Promise.resolve(void Object.assign(this.timeouts, given))
    }
    const wanted = { strictArp: false, timeouts: undefined, ...options }
    return new NodeSettings(possibleSettings(wanted, { files, ipvs, kernel: versionOf(release) }), new NotedSettings(nft, 'np-ipvs'))
  }

  async tableNames(): Promise<string[]> {
    const nft = await Nftables.open({ kernel: this.tables })
    onTestFinished(() => nft.close())
    return (await nft.listTables()).map(({ name }) => name)
  }

  async generation(): Promise<number> {
    const nft = await Nftables.open({ kernel: this.tables })
    onTestFinished(() => nft.close())
    return (await nft.readGeneration()).id
  }
}

describe('settings of the ipvs plane', () => {
  it('are set where they must be, and put back by whoever cleans up', async () => {
    const node = new Node()
    const first = await node.settings()
    expect(await first.faults()).toHaveLength(4)
    // Of its note, so that the plane knows this commit as its own.
    expect(await first.ensure()).toBe(await node.generation())
    expect(node.files).toEqual(NEEDED)
    expect(await first.faults()).toEqual([])
    const second = await node.settings()
    expect(await second.ensure()).toBe(undefined)
    expect(node.writes).toBe(4)
    await second.putBack()
    expect(node.files).toEqual(DEFAULTS)
    expect(await node.tableNames()).toEqual([])
    await second.putBack()
  })

  it('that are right already are neither written nor noted', async () => {
    const node = new Node(NEEDED)
    node.readOnly = Object.keys(NEEDED)
    const settings = await node.settings()
    await settings.ensure()
    expect(await node.tableNames()).toEqual([])
    await settings.putBack()
    expect([node.files, node.writes]).toEqual([NEEDED, 0])
  })

  it.each([
    ['5.8.18', '0'],
    ['5.9.0', '1'],
    ['6.12.1-amd64', '1'],
    ['10.0', '1']
  ])('conn_reuse_mode: kernel %s needs %s', async (release, value) => {
    for (const before of ['0', '1']) {
      const node = new Node({ ...DEFAULTS, 'ipv4/vs/conn_reuse_mode': before })
      const settings = await node.settings({}, release)
      await settings.ensure()
      expect(node.files['ipv4/vs/conn_reuse_mode']).toBe(value)
      await settings.putBack()
      expect(node.files['ipv4/vs/conn_reuse_mode']).toBe(before)
    }
  })

  it('strict ARP is set on request, left as it is where it is stricter, and put back when it is not asked for any more', async () => {
    const node = new Node({ ...NEEDED, 'ipv4/conf/all/arp_ignore': '2' })
    await (await node.settings({ strictArp: true })).ensure()
    expect(node.files).toMatchObject({ 'ipv4/conf/all/arp_ignore': '2', 'ipv4/conf/all/arp_announce': '2' })
    const without = await node.settings()
    expect(await without.faults()).toEqual(['setting net.ipv4.conf.all.arp_announce is as the plane once needed it'])
    await without.ensure()
    expect(node.files).toMatchObject({ 'ipv4/conf/all/arp_ignore': '2', 'ipv4/conf/all/arp_announce': '0' })
    expect(await node.tableNames()).toEqual([])
  })

  it('lets no other value of arp_ignore do than those that keep addresses to their links', async () => {
    const node = new Node({ ...NEEDED, 'ipv4/conf/all/arp_ignore': '3' })
    const settings = await node.settings({ strictArp: true })
    await settings.ensure()
    expect(node.files).toMatchObject({ 'ipv4/conf/all/arp_ignore': '1' })
    await settings.putBack()
    expect(node.files).toMatchObject({ 'ipv4/conf/all/arp_ignore': '3' })
  })

  it('time-outs are those that are given, another process may want others, and the first ones come back', async () => {
    const node = new Node(NEEDED)
    await (await node.settings({ timeouts: { tcpSeconds: 1800, udpSeconds: 10 } })).ensure()
    expect(node.timeouts).toEqual({ tcpSeconds: 1800, tcpFinSeconds: 120, udpSeconds: 10 })
    const second = await node.settings({ timeouts: { tcpSeconds: 60 } })
    await second.ensure()
    expect(node.timeouts).toEqual({ tcpSeconds: 60, tcpFinSeconds: 120, udpSeconds: 300 })
    await second.putBack()
    expect(node.timeouts).toEqual({ tcpSeconds: 900, tcpFinSeconds: 120, udpSeconds: 300 })
  })

  it('what others change is found and set again; it does not become the value of before', async () => {
    const node = new Node({ ...DEFAULTS, 'ipv4/vs/conntrack': '1' })
    const settings = await node.settings({ timeouts: { tcpSeconds: 1800 } })
    await settings.ensure()
    node.timeouts.tcpSeconds = 77
    node.files['ipv4/vs/conntrack'] = '0'
    expect(await settings.faults()).toEqual(['setting net.ipv4.vs.conntrack is 0', 'setting time-out tcpSeconds of IPVS is 77'])
    await settings.ensure()
    expect(await settings.faults()).toEqual([])
    await settings.putBack()
    expect(node.timeouts.tcpSeconds).toBe(900)
  })

  it('what somebody changed after us is not put back', async () => {
    const node = new Node()
    const settings = await node.settings({ timeouts: { tcpSeconds: 1800 } })
    await settings.ensure()
    node.timeouts.tcpSeconds = 77
    await settings.putBack()
    expect([node.files, node.timeouts.tcpSeconds]).toEqual([DEFAULTS, 77])
  })

  it('a note that somebody removed is written again', async () => {
    const node = new Node()
    const settings = await node.settings()
    await settings.ensure()
    const nft = await Nftables.open({ kernel: node.tables })
    onTestFinished(() => nft.close())
    const tx = nft.transaction()
    tx.delete.table({ family: 'ip', name: 'np-ipvs-settings' })
    await tx.commit()
    expect(await settings.faults()).toHaveLength(4)
    await settings.ensure()
    await (await node.settings()).putBack()
    expect(node.files).toEqual(DEFAULTS)
  })

  it('one that cannot be written is an error, and what was set before it is noted', async () => {
    const node = new Node()
    node.readOnly = ['ipv4/ip_forward']
    const settings = await node.settings()
    await expect(settings.ensure()).rejects.toMatchObject({ code: 'EROFS' })
    node.readOnly = []
    await (await node.settings()).putBack()
    expect(node.files).toEqual(DEFAULTS)
  })
})
