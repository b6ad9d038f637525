import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import process from 'node:process'
import { describe, expect, onTestFinished, test } from 'vitest'
import { command } from '../../support/command.js'
import { makeNamespace, type TestNamespace } from '../../support/namespace.js'

const PROGRAM = path.resolve(import.meta.dirname, '../../../dist/cli.js')

/** So many that what is shown is many times what a pipe holds. */
const SERVICES = 1500

const services = Array.from({ length: SERVICES }, (_, index) => ({
  name: `default/web-${index}`,
  protocol: 'tcp',
  frontends: [{ kind: 'cluster', address: `10.96.${index >> 8}.${index & 255}`, port: 80 }],
  endpoints: [{ address: `10.1.${index >> 8}.${index & 255}`, port: 8080 }]
}))

/** A namespace with the services, and a folder for what is shown. */
async function serving(): Promise<{ readonly namespace: TestNamespace; readonly folder: string }> {
  const namespace = await makeNamespace()
  const folder = await mkdtemp(path.join(tmpdir(), 'netplane-pipe-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const file = path.join(folder, 'services.json')
  await writeFile(file, JSON.stringify({ services }))
  expect(await command(['apply', file, '--netns', namespace.name], { kernel: undefined })).toMatchObject({ status: 0, stderr: '' })
  return { namespace, folder }
}

/** Shows them to a reader; gives the program's exit status and what the reader has kept. */
async function shownTo(
  reader: string,
  ...args: string[]
): Promise<{ readonly status: string; readonly kept: string; readonly complaint: string }> {
  const { namespace, folder } = await serving()
  const script = `cd "$1"; shift; { "$@" 2>complaint; echo $? >status; } | { ${reader}; } >kept`
  await namespace.run('sh', ['-c', script, 'sh', folder, process.execPath, PROGRAM, 'show', ...args])
  const [status, kept, complaint] = await Promise.all(
    ['status', 'kept', 'complaint'].map((name) => readFile(path.join(folder, name), 'utf8'))
  )
  return { status: status!.trim(), kept: kept!, complaint: complaint! }
}

describe('what is shown in a pipe', () => {
  test('reaches a reader that begins late, whole', async () => {
    const { status, kept, complaint } = await shownTo('sleep 2; cat', '-o', 'json')
    expect({ status, complaint }).toEqual({ status: '0', complaint: '' })
    expect(kept.length).toBeGreaterThan(1 << 18)
    expect((JSON.parse(kept) as { frontends: unknown[] }).frontends).toHaveLength(SERVICES)
  })

  test('does not matter to a reader that has seen enough', async () => {
    const { status, kept, complaint } = await shownTo('head -n 2')
    expect({ status, complaint }).toEqual({ status: '0', complaint: '' })
    expect(kept.trimEnd().split('\n')).toHaveLength(2)
  })
})
