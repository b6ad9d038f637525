import { expect, it } from 'vitest'
import { openPlane, type IpvsPlaneOptions, type Plane } from '../../../../src/index.js'
import { openedPlane } from '../../../support/opened-plane.js'
import { makeNamespace, type TestNamespace } from '../../../support/namespace.js'
import { rejection } from '../../../support/rejection.js'
import { servicesOn } from '../../../support/plane-ways.js'

async function openIn({ path }: TestNamespace, options: IpvsPlaneOptions = {}): Promise<Plane> {
  return await openedPlane({ mode: 'ipvs', netns: path, auditMs: 0, staleFlows: false, ...options })
}

/** Virtual services, addresses and rules; ours are in the tables `netplane-ipvs`, and theirs in any. */
async function everything(node: TestNamespace): Promise<string> {
  const parts = [node.run('ipvsadm-save', ['-n']), node.ip('-oneline', 'address', 'show'), node.nft('list', 'ruleset')]
  return (await Promise.all(parts)).join('')
}

const THEIRS = [
  '-A -t 192.0.2.1:80 -s wlc -p 300 -M 255.255.255.0',
  '-a -t 192.0.2.1:80 -r 10.9.0.1:8080 -m -w 3',
  '-A -u [2001:db8::1]:53 -s rr -o',
  '-a -u [2001:db8::1]:53 -r [2001:db8::2]:53 -g -w 0',
  '-A -f 7 -s sh -b sh-fallback'
]

it('virtual services of others stay as they are, also while they change, through all that a plane does', async () => {
  const node = await makeNamespace()
  await node.run('ipvsadm', ['-R'], { input: `${THEIRS.join('\n')}\n` })
  const before = await everything(node)
  const plane = await openIn(node, { auditMs: 200 })
  await plane.sync(servicesOn(1, 2))
  const together = await node.run('ipvsadm-save', ['-n'])
  const theirs = before.split('\n').filter((line) => /^-[Aa] /.test(line))
  expect(together.split('\n')).toEqual(expect.arrayContaining(theirs))

  const changed = [
    '-e -t 192.0.2.1:80 -r 10.9.0.1:8080 -m -w 9',
    '-A -t 192.0.2.9:443 -s rr',
    '-D -f 7',
    '-a -t 192.0.2.9:443 -r 10.9.0.9:443 -i'
  ]
  for (const line of changed) {
    await node.run('ipvsadm', line.split(' '))
    await plane.update({ set: [...servicesOn(changed.indexOf(line) + 1).values()] })
  }
  await plane.sync(servicesOn(2))
  expect(plane.status().drifts).toBe(0)
  await plane.close({ cleanup: true })
  expect((await node.run('ipvsadm-save', ['-n'])).trim().split('\n').sort()).toEqual(
    [
      '-A -t 192.0.2.1:80 -s wlc -p 300 -M 255.255.255.0',
      '-a -t 192.0.2.1:80 -r 10.9.0.1:8080 -m -w 9',
      '-A -t 192.0.2.9:443 -s rr',
      '-a -t 192.0.2.9:443 -r 10.9.0.9:443 -i -w 1 --tun-type ipip',
      '-A -u [2001:db8::1]:53 -s rr -o',
      '-a -u [2001:db8::1]:53 -r [2001:db8::2]:53 -g -w 0'
    ].sort()
  )
})

it('virtual services of ours that are edited by hand, and a device that is removed, are told and repaired', async () => {
  const node = await makeNamespace()
  const plane = await openIn(node, { auditMs: 200 })
  await plane.sync(servicesOn(1))
  const before = await everything(node)
  const edits: readonly (readonly [program: 'ipvsadm' | 'ip', line: string, told: RegExp])[] = [
    ['ipvsadm', '-E -t 10.96.0.1:80 -s lc', /1 missing/],
    ['ipvsadm', '-D -u [fd00:96::1]:80', /missing/],
    ['ip', 'link delete netplane', /netplane/]
  ]
  for (const [program, line, told] of edits) {
    const events = plane.watch()
    await node.run(program, line.split(' '))
    const objects: string[] = []
    for await (const event of events) {
      if (event.type === 'drift') objects.push(...event.objects)
      if (event.type === 'repaired') break
    }
    expect(objects.join('; '), line).toMatch(told)
    expect(withoutNumbers(await everything(node)), line).toBe(withoutNumbers(before))
  }
  // Real servers are looked at when it is time for all of them, or when a call asks.
  await node.run('ipvsadm', '-e -t 10.96.0.1:80 -r 10.1.1.2:8080 -m -w 0'.split(' '))
  expect((await plane.plan(servicesOn(1))).isEmpty).toBe(false)
  await plane.sync(servicesOn(1))
  expect(withoutNumbers(await everything(node))).toBe(withoutNumbers(before))
})

/** A device that was made again has another number. */
const withoutNumbers = (text: string): string => text.replaceAll(/^\d+: /gm, '')

it('a link of another program that has our name is left as it is, and named', async () => {
  const node = await makeNamespace()
  await node.ip('link', 'add', 'netplane', 'type', 'dummy')
  await node.ip('address', 'add', '10.96.0.1/32', 'dev', 'netplane')
  const before = await everything(node)
  const plane = await openPlane({ mode: 'ipvs', netns: node.path, auditMs: 0, staleFlows: false })
  for (const call of [() => plane.sync(servicesOn(1)), () => plane.plan(servicesOn(1)), () => plane.close({ cleanup: true })])
    expect(await rejection(call())).toMatchObject({
      code: 'ERR_NETPLANE_FOREIGN',
      message: expect.stringContaining('link netplane') as string
    })
  expect(await everything(node)).toBe(before)
})

it('an address that another link has already stays there, beside ours', async () => {
  const node = await makeNamespace()
  await node.ip('link', 'add', 'theirs', 'type', 'dummy')
  await node.ip('address', 'add', '10.96.0.1/32', 'dev', 'theirs')
  const before = await everything(node)
  const plane = await openIn(node)
  await plane.sync(servicesOn(1))
  const addresses = await node.ip('-oneline', 'address', 'show', 'to', '10.96.0.1')
  expect(addresses.split('\n').filter(Boolean)).toHaveLength(2)
  await plane.sync(new Map())
  await plane.close({ cleanup: true })
  expect(await everything(node)).toBe(before)
})

it('a process without rights is refused, and nothing is changed', async () => {
  const node = await makeNamespace()
  const before = await everything(node)
  // Of another user namespace, with all rights there.
  const program = `
    import('${new URL('../../../../dist/index.js', import.meta.url).href}').then(async ({ openPlane }) => {
      const plane = await openPlane({ mode: 'ipvs', auditMs: 0, staleFlows: false })
      await plane.sync(new Map()).catch(({ code, message }) => console.log(JSON.stringify({ code, message })))
      await plane.close()
    }, console.error).catch(({ code, message }) => console.log(JSON.stringify({ code, message })))`
  const said = await node.run('unshare', ['--user', '--map-root-user', process.execPath, '-e', program])
  expect(JSON.parse(said)).toMatchObject({ code: 'EPERM' })
  expect(await everything(node)).toBe(before)
})
