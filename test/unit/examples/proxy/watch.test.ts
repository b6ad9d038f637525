import { watch } from 'node:fs'
import { mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it, onTestFinished, vi } from 'vitest'
import { FolderWatch } from '../../../../examples/proxy/manifests/watch.js'
import { makeFolder } from '../../../support/manifests.js'

vi.mock('node:fs', async (load) => {
  const real = await load<{ readonly watch: typeof watch }>()
  return { ...real, watch: vi.fn(real.watch) }
})

interface Watched {
  /** Resolves with the next change: well before the folder would be looked at anyway. */
  readonly next: () => Promise<void>
  readonly failures: string[]
}

function follow(folder: string): Watched {
  const failures: string[] = []
  let count = 0
  const followed = new FolderWatch(
    folder,
    () => count++,
    ({ message }) => failures.push(message)
  )
  onTestFinished(() => followed.close())
  const next = async (): Promise<void> => {
    const before = count
    await vi.waitFor(() => expect(count).toBeGreaterThan(before), { timeout: 4000, interval: 10 })
  }
  return { next, failures }
}

async function write(folder: string, next: () => Promise<void>): Promise<void> {
  const noticed = next()
  await writeFile(join(folder, 'web.yaml'), 'kind: Service')
  await noticed
}

it('follows the name of a folder, whatever folder has it', async () => {
  const folder = join(await makeFolder(), 'manifests')
  await mkdir(folder)
  const { next, failures } = follow(folder)
  await write(folder, next)
  const gone = next()
  await rm(folder, { recursive: true })
  await gone
  const back = next()
  await mkdir(folder)
  await back
  await write(folder, next)
  expect(failures).toEqual([])
})

it('follows a link to another folder', async () => {
  const place = await makeFolder()
  const [first, second, link] = [join(place, 'first'), join(place, 'second'), join(place, 'link')] as const
  for (const folder of [first, second]) await mkdir(folder)
  await symlink('first', link)
  const { next } = follow(link)
  const turned = next()
  await symlink('second', join(place, 'other'))
  await rename(join(place, 'other'), link)
  await turned
  await write(second, next)
  const lost = next()
  await rm(link)
  await lost
})

it('that the kernel refuses is told once and tried again', async () => {
  const folder = await makeFolder()
  const refuse = (): never => {
    throw new Error('ENOSPC: System limit for number of file watchers reached')
  }
  vi.mocked(watch).mockImplementationOnce(refuse).mockImplementationOnce(refuse)
  const { next, failures } = follow(folder)
  expect(failures).toHaveLength(1)
  await next()
  expect(failures).toHaveLength(1)
  await write(folder, next)
})

it('begins with a folder alone', async () => {
  const folder = await makeFolder()
  await writeFile(join(folder, 'file'), '')
  expect(() => follow(join(folder, 'file'))).toThrow('ENOTDIR')
  expect(() => follow(join(folder, 'nothing'))).toThrow('ENOENT')
})

it('says the names of what it noticed', async () => {
  const folder = await makeFolder()
  const changed = vi.fn()
  const followed = new FolderWatch(folder, changed, () => undefined)
  onTestFinished(() => followed.close())
  await writeFile(join(folder, '.new'), 'kind: Service')
  await rename(join(folder, '.new'), join(folder, 'web.yaml'))
  await vi.waitFor(() => expect(changed).toHaveBeenCalled())
  expect(changed.mock.calls).toEqual([[new Set(['.new', 'web.yaml'])]])
})
