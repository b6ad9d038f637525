import { execFileSync } from 'node:child_process'
import { mkdir, rename, rm, symlink, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { ManifestFile } from '../../../../examples/proxy/manifests/file.js'
import { parserAtOnce, type PieceParser } from '../../../../examples/proxy/manifests/parse.js'
import { ManifestFolder } from '../../../../examples/proxy/manifests/read.js'
import type { FolderContent, Manifests } from '../../../../examples/proxy/manifests/types.js'
import { makeFolder, manifest } from '../../../support/manifests.js'

const WEB = manifest('web', '10.96.0.1', '10.1.0.1')
const DNS = manifest('dns', '10.96.0.2', '10.1.0.2')

async function namesIn(folder: ManifestFolder): Promise<string[]> {
  const { objects } = await folder.read()
  return objects.map(({ metadata }) => metadata.name)
}

it('a file that can no longer be understood keeps what it held, and is named; a file that is gone keeps nothing', async () => {
  const path = await makeFolder()
  const folder = new ManifestFolder(path)
  const file = join(path, 'all.yaml')
  await writeFile(file, `${WEB}---${DNS}`)
  expect(await namesIn(folder)).toEqual(['web', 'web-1', 'dns', 'dns-1'])

  // Each beginning of the file, as somebody who looks while it is written would see it.
  const text = `${manifest('web', '10.96.0.1', '10.1.0.9')}---${DNS}`
  for (let length = 0; length < text.indexOf('---\n\nkind: Service') - 1; length += 7) {
    await writeFile(file, text.slice(0, length))
    const { objects, problems, outdated } = await folder.read()
    if (problems.length === 0) continue
    expect(outdated, text.slice(0, length)).toEqual(['all.yaml'])
    expect(new Set(objects.map(({ metadata }) => metadata.name)), text.slice(0, length)).toEqual(new Set(['web', 'web-1', 'dns', 'dns-1']))
  }
  await writeFile(file, text)
  expect(await folder.read()).toMatchObject({ problems: [], outdated: [], objects: { length: 4 } })

  await truncate(file)
  expect(await folder.read()).toMatchObject({ outdated: ['all.yaml'], problems: [{ reason: 'the file is empty' }], objects: { length: 4 } })
  await writeFile(file, '# nothing any more\n')
  expect(await folder.read()).toEqual({ objects: [], problems: [], outdated: [] })
})

it('a file that can no longer be read keeps what it held, and is named', async () => {
  const path = await makeFolder()
  const folder = new ManifestFolder(path)
  const file = join(path, 'web.yaml')
  await writeFile(file, WEB)
  await writeFile(join(path, 'dns.json'), JSON.stringify({ kind: 'Service', metadata: { name: 'dns' }, spec: { ports: [] } }))
  expect(await namesIn(folder)).toEqual(['dns', 'web', 'web-1'])
  await rm(file)
  await symlink('web.yaml', file)
  expect(await folder.read()).toMatchObject({
    outdated: ['web.yaml'],
    problems: [{ file: 'web.yaml', document: 0, reason: expect.stringContaining('ELOOP') as string }]
  })
  expect(await namesIn(folder)).toEqual(['dns', 'web', 'web-1'])
  await rm(file)
  expect(await namesIn(folder)).toEqual(['dns'])
  await writeFile(file, WEB)
  expect(await folder.read()).toMatchObject({ outdated: [], problems: [] })
})

it('a document that was broken from the first is a problem, but hides nothing', async () => {
  const path = await makeFolder()
  await writeFile(join(path, 'web.yaml'), `${WEB}---\nkind: [\n`)
  expect(await new ManifestFolder(path).read()).toMatchObject({ outdated: [], problems: [{ document: 3 }], objects: { length: 2 } })
})

it('a link to nowhere is a file that cannot be read, not one that is gone', async () => {
  const path = await makeFolder()
  const folder = new ManifestFolder(path)
  const target = join(path, 'target')
  await writeFile(target, WEB)
  await symlink('target', join(path, 'web.yaml'))
  expect(await namesIn(folder)).toEqual(['web', 'web-1'])
  await rm(target)
  expect(await folder.read()).toMatchObject({ outdated: ['web.yaml'], objects: { length: 2 } })
  await writeFile(target, DNS)
  expect(await namesIn(folder)).toEqual(['dns', 'dns-1'])
  await rm(join(path, 'web.yaml'))
  expect(await folder.read()).toEqual({ objects: [], problems: [], outdated: [] })
})

it('what is no regular file is named, and holds nobody up', async () => {
  const path = await makeFolder()
  const folder = new ManifestFolder(path)
  await writeFile(join(path, 'web.yaml'), WEB)
  execFileSync('mkfifo', [join(path, 'fifo.yaml')])
  await mkdir(join(path, 'folder.yaml'))
  await symlink('/dev/zero', join(path, 'zero.json'))
  const { objects, problems } = await folder.read()
  expect(objects).toHaveLength(2)
  expect(problems).toEqual(
    ['fifo.yaml', 'folder.yaml', 'zero.json'].map((file) => ({ file, document: 0, reason: 'it is no regular file' }))
  )
})

it('a file that ends in the midst of a kind, or before the items of a list, keeps what it held', async () => {
  const path = await makeFolder()
  const folder = new ManifestFolder(path)
  const file = join(path, 'web.yaml')
  for (const kind of ['Service', 'EndpointSlice', 'ServiceList', 'EndpointSliceList', 'List']) {
    for (let length = 1; length <= kind.length; length += 1) {
      await writeFile(file, WEB)
      await folder.read()
      await writeFile(file, `apiVersion: v1\nkind: ${kind.slice(0, length)}`)
      expect(await folder.read(), kind.slice(0, length)).toMatchObject({ outdated: ['web.yaml'], objects: { length: 2 } })
    }
  }
  await writeFile(file, 'kind: ServiceList\nitems: web')
  expect(await folder.read()).toMatchObject({ outdated: ['web.yaml'], problems: [{ reason: 'ServiceList: items is no list' }] })
  for (const nothing of ['kind: ServiceList\nitems: null', 'kind: List\nitems: []', 'kind: ConfigMap', 'kind: ConfigMapList']) {
    await writeFile(file, nothing)
    expect(await folder.read(), nothing).toEqual({ objects: [], problems: [], outdated: [] })
  }
})

it('a file that did not change gives the same objects, and is not parsed again', async () => {
  const path = await makeFolder()
  const folder = new ManifestFolder(path)
  await writeFile(join(path, 'web.yaml'), WEB)
  const first = await folder.read()
  await writeFile(join(path, 'dns.yaml'), DNS)
  const second = await folder.read()
  expect(second.objects).toHaveLength(4)
  for (const object of first.objects) expect(second.objects.includes(object)).toBe(true)
})

it('an object that two files have counts once: the last one, but never one that a file no longer shows', async () => {
  const path = await makeFolder()
  const folder = new ManifestFolder(path)
  const services = async (): Promise<unknown> => {
    const { objects, problems, outdated } = await folder.read()
    const ports = objects.flatMap((object) => (object.kind === 'Service' ? (object.spec?.ports ?? []) : []))
    return { ports: ports.map(({ port }) => port), problems: problems.map(({ file, reason }) => `${file}: ${reason}`), outdated }
  }
  const web = (port: number): string =>
    `kind: Service\nmetadata: { name: web }\nspec: { clusterIP: 10.96.0.1, ports: [{ port: ${port} }] }\n`
  await writeFile(join(path, 'a.yaml'), web(80))
  await writeFile(join(path, 'b.yaml'), web(81))
  const twice = 'a.yaml: Service default/web: b.yaml has it, too, and the last one counts'
  expect(await services()).toEqual({ ports: [81], problems: [twice], outdated: [] })
  // It goes to another file, and this one is being written.
  await writeFile(join(path, 'b.yaml'), 'kind: Serv')
  expect(await services()).toMatchObject({ ports: [80], outdated: ['b.yaml'] })
  await rm(join(path, 'a.yaml'))
  expect(await services()).toMatchObject({ ports: [81], outdated: ['b.yaml'] })
  await writeFile(join(path, 'c.yaml'), web(82))
  expect(await services()).toMatchObject({ ports: [82], outdated: ['b.yaml'] })
  await rm(join(path, 'b.yaml'))
  await writeFile(join(path, 'c.yaml'), `${web(82)}---\n${web(83).replace('name: web', 'name: web, namespace: ""')}`)
  expect(await services()).toEqual({
    ports: [83],
    problems: ['c.yaml: Service default/web: the file has it twice, and the last one counts'],
    outdated: []
  })
})

it('a parser may work elsewhere, and one that fails says nothing about what should be', async () => {
  const path = await makeFolder()
  let fails = false
  const close = vi.fn()
  const parse: PieceParser['parse'] = async (...pieces) => {
    await new Promise((resolve) => setImmediate(resolve))
    if (fails) throw new Error('out of memory')
    return parserAtOnce.parse(...pieces)
  }
  const folder = new ManifestFolder(path, () => ({ parse, close }))
  await writeFile(join(path, 'web.yaml'), WEB)
  expect(await namesIn(folder)).toEqual(['web', 'web-1'])
  fails = true
  await writeFile(join(path, 'web.yaml'), DNS)
  expect(await folder.read()).toMatchObject({
    outdated: ['web.yaml'],
    problems: [{ file: 'web.yaml', document: 0, reason: 'out of memory' }],
    objects: { length: 2 }
  })
  fails = false
  expect(await namesIn(folder)).toEqual(['dns', 'dns-1'])
  expect(close).toHaveBeenCalledTimes(3)
})

describe('of names that may have changed', () => {
  const NOTHING: ReadonlySet<string> = new Set()

  /** A folder that was read as a whole, and the names of the files that are opened from then on. */
  async function readFolder(files: Readonly<Record<string, string>>) {
    const path = await makeFolder()
    for (const [name, text] of Object.entries(files)) await writeFile(join(path, name), text)
    let now = 0
    // However busy the machine is, it is not time to look at all again.
    vi.spyOn(performance, 'now').mockImplementation(() => now++)
    const folder = new ManifestFolder(path)
    await folder.read()
    const reads = vi.spyOn(ManifestFile.prototype, 'read')
    const opened = (): string[] => {
      const found = reads.mock.settledResults.map(({ type, value }) =>
        type === 'rejected' ? 'failed' : ((value as Manifests).objects[0]?.metadata.name ?? 'none')
      )
      reads.mockClear()
      return found
    }
    return { path, folder, opened }
  }
  afterEach(() => vi.restoreAllMocks())

  const shown = ({ objects }: FolderContent): string[] =>
    objects.filter(({ kind }) => kind === 'Service').map(({ metadata }) => metadata.name)

  it('looks at those alone, whether they are new, other ones, or gone', async () => {
    const { path, folder, opened } = await readFolder({ 'a.yaml': WEB, 'c.yaml': DNS })
    expect(shown(await folder.read(NOTHING))).toEqual(['web', 'dns'])
    expect(opened()).toEqual([])
    await writeFile(join(path, 'b.yaml'), manifest('new', '10.96.0.3', '10.1.0.3'))
    expect(shown(await folder.read(new Set(['b.yaml', 'b.yaml.swp', '.b.yaml'])))).toEqual(['web', 'new', 'dns'])
    await writeFile(join(path, 'c.yaml'), manifest('other', '10.96.0.4', '10.1.0.4'))
    expect(shown(await folder.read(new Set(['c.yaml'])))).toEqual(['web', 'new', 'other'])
    expect(opened()).toEqual(['new', 'other'])
    await rm(join(path, 'a.yaml'))
    expect(shown(await folder.read(new Set(['a.yaml'])))).toEqual(['new', 'other'])
    // What was not told is found when all is looked at.
    await rm(join(path, 'b.yaml'))
    expect(shown(await folder.read(NOTHING))).toEqual(['new', 'other'])
    expect(shown(await folder.read())).toEqual(['other'])
  })

  it('keeps what a file held that cannot be understood, and looks again at one that could not be read', async () => {
    const { path, folder, opened } = await readFolder({ 'a.yaml': WEB, 'c.yaml': DNS })
    await writeFile(join(path, 'a.yaml'), 'kind: [')
    expect(await folder.read(new Set(['a.yaml']))).toMatchObject({ outdated: ['a.yaml'], objects: { length: 4 } })
    expect(await folder.read(NOTHING)).toMatchObject({ outdated: ['a.yaml'], objects: { length: 4 } })
    await rm(join(path, 'c.yaml'))
    await mkdir(join(path, 'c.yaml'))
    expect(await folder.read(new Set(['c.yaml']))).toMatchObject({ outdated: ['a.yaml', 'c.yaml'], objects: { length: 4 } })
    opened()
    await folder.read(NOTHING)
    expect(opened()).toEqual(['failed'])
    await rm(join(path, 'c.yaml'), { recursive: true })
    expect(await folder.read(NOTHING)).toMatchObject({ outdated: ['a.yaml'], objects: { length: 2 } })
  })

  it('looks each time at links, and at all files where a way to some may have changed', async () => {
    const { path, folder, opened } = await readFolder({ 'a.yaml': WEB })
    const [first, second] = [await makeFolder(), await makeFolder()]
    await writeFile(join(first, 'b.yaml'), DNS)
    await writeFile(join(second, 'b.yaml'), manifest('other', '10.96.0.4', '10.1.0.4'))
    await symlink(first, join(path, '..data'))
    await symlink('..data/b.yaml', join(path, 'b.yaml'))
    expect(shown(await folder.read(new Set(['..data', 'b.yaml'])))).toEqual(['web', 'dns'])
    await writeFile(join(first, 'b.yaml'), manifest('third', '10.96.0.5', '10.1.0.5'))
    opened()
    expect(shown(await folder.read(NOTHING))).toEqual(['web', 'third'])
    expect(opened()).toEqual(['third'])
    await symlink(second, join(path, '..new'))
    await rename(join(path, '..new'), join(path, '..data'))
    expect(shown(await folder.read(new Set(['..new', '..data'])))).toEqual(['web', 'other'])
    await rm(join(path, '..data'))
    expect(await folder.read(new Set(['..data']))).toMatchObject({ outdated: ['b.yaml'] })
  })

  it('looks at all after a failure', async () => {
    const { path, folder } = await readFolder({ 'a.yaml': WEB })
    await rename(path, `${path}-away`)
    await expect(folder.read()).rejects.toThrow('ENOENT')
    await rename(`${path}-away`, path)
    await writeFile(join(path, 'b.yaml'), DNS)
    expect(shown(await folder.read(NOTHING))).toEqual(['web', 'dns'])
  })
})
