import { rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { expect, it, onTestFinished, vi } from 'vitest'
import { ManifestInput } from '../../../../examples/proxy/manifests/input.js'
import { parseOptions } from '../../../../examples/proxy/options.js'
import { readOnce } from '../../../../examples/proxy/sources/once.js'
import { openSource } from '../../../../examples/proxy/sources/open.js'
import { ManifestSource } from '../../../../examples/proxy/sources/manifests.js'
import type { ObjectSource } from '../../../../examples/proxy/sources/types.js'
import { makeFolder, manifest } from '../../../support/manifests.js'

const open = async (path: string): Promise<ObjectSource> => await openSource(parseOptions(['--manifests', path]))

/** Follows a source: what there is now, by name. */
async function follow(source: ObjectSource): Promise<ReadonlySet<string>> {
  const keys = new Set<string>()
  source.open()
  onTestFinished(() => source.close())
  await source.start({
    told: (changes) => {
      for (const { key, object } of changes) {
        if (object === undefined) keys.delete(key)
        else keys.add(key)
      }
    },
    failed: () => undefined
  })
  return keys
}

it('is one file of a folder, which is followed, and keeps its objects while the file is gone', async () => {
  const folder = await makeFolder()
  const file = join(folder, 'services')
  await writeFile(file, manifest('a', '10.96.0.1', '10.1.0.1'))
  await writeFile(join(folder, 'other.yaml'), manifest('other', '10.96.0.2', '10.1.0.2'))
  const source = await open(file)
  const keys = await follow(source)
  const of = (name: string): Set<string> => new Set([`Service default/${name}`, `EndpointSlice default/${name}-1`])
  expect(keys).toEqual(of('a'))
  const until = async (check: () => void): Promise<void> => await vi.waitFor(check, { timeout: 8000, interval: 20 })
  await writeFile(join(folder, '.new'), manifest('b', '10.96.0.1', '10.1.0.1'))
  await rename(join(folder, '.new'), file)
  await until(() => expect(keys).toEqual(of('b')))
  await rm(file)
  await until(() => expect(source.status.error?.message).toMatch(/no such file|there is no file/))
  expect(keys).toEqual(of('b'))
  await writeFile(file, manifest('c', '10.96.0.1', '10.1.0.1'))
  await until(() => expect(keys).toEqual(of('c')))
  expect(source.status.error).toBeUndefined()
  await expect(open(join(folder, 'nothing'))).rejects.toThrow(join(folder, 'nothing'))
})

it.each([
  ['documents of YAML', manifest('a', '10.96.0.1', '10.1.0.1')],
  ['a list of JSON', '{\n "kind": "ServiceList", "items": [{ "metadata": { "name": "a" }, "spec": { "ports": [{ "port": 80 }] } }] }'],
  ['a list of YAML in flow style', '{ kind: ServiceList, items: [{ metadata: { name: a }, spec: { ports: [{ port: 80 }] } }] }']
])('is the standard input, which may have %s, and is read once', async (_what, text) => {
  const input = Readable.from([text.slice(0, 30), text.slice(30)])
  for (let time = 1; time <= 2; time++) {
    const { objects, problems } = await readOnce(new ManifestSource(undefined, new ManifestInput(undefined, input)))
    expect([objects[0]?.kind, objects[0]?.metadata.name, problems]).toEqual(['Service', 'a', []])
  }
})

it('tells what is wrong in the standard input, and takes an empty one for a failure', async () => {
  const read = (text: string): ReturnType<typeof readOnce> =>
    readOnce(new ManifestSource(undefined, new ManifestInput(undefined, Readable.from([text]))))
  const service = '{ kind: Service, metadata: { name: a }, spec: { ports: [{ port: 80 }] } }'
  expect((await read(`${service}\n---\n${service}\n---\nkind: [\n`)).problems).toMatchObject([
    { file: 'standard input', document: 3 },
    { file: 'standard input', document: 0, reason: 'Service default/a: the file has it twice, and the last one counts' }
  ])
  await expect(read(' \n')).rejects.toThrow('the standard input is empty')
})
