import { mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { SignalError } from '../../../src/cli/errors.js'
import { ServicesDocument } from '../../../src/cli/services-file/document.js'
import { command } from '../../support/command.js'
import { run } from '../../support/run.js'

const WEB = `services:
  - name: web
    protocol: tcp
    frontends:
      - kind: cluster
        address: 10.96.0.1
        port: 80
    endpoints: [{ address: 10.1.0.1, port: 8080 }]
`

/** What the text is refused with. */
async function mistakes(text: string): Promise<string[]> {
  const error: unknown = await ServicesDocument.parse('f.yaml', text).then(
    () => undefined,
    (thrown: unknown) => thrown
  )
  return error instanceof Error ? error.message.split('\n') : []
}

const changed = (from: string, to: string): string => {
  expect(WEB).toContain(from)
  return WEB.replace(from, to)
}

describe('a file of services', () => {
  test('is read from YAML and from JSON', async () => {
    const fromYaml = await ServicesDocument.parse('f.yaml', WEB)
    const json = JSON.stringify({ services: [...fromYaml.services.values()] }, undefined, '\t')
    const fromJson = await ServicesDocument.parse('f.json', json)
    expect(fromJson.services).toEqual(fromYaml.services)
    expect([...fromYaml.services.keys()]).toEqual(['web'])
  })

  test.each([
    [
      'a number out of range',
      changed('port: 80\n', 'port: 80000\n'),
      'f.yaml:7:9: services[0].frontends[0].port is 80000; allowed: an integer from 1 to 65535'
    ],
    [
      'a number that is text',
      changed('port: 80\n', 'port: "80"\n'),
      'f.yaml:7:9: services[0].frontends[0].port is "80"; allowed: an integer from 1 to 65535'
    ],
    [
      'an unknown field',
      changed('port: 80\n', 'port: 80\n        ports: 81\n'),
      'f.yaml:8:9: services[0].frontends[0].ports is 81; allowed: one of kind, address, port, trafficPolicy'
    ],
    [
      'a field that is missing',
      changed('        port: 80\n', ''),
      'f.yaml:5:9: services[0].frontends[0].port is missing; allowed: an integer from 1 to 65535'
    ],
    [
      'a unit in the wrong place',
      `${WEB}    affinity: { timeoutSeconds: 3h }\n`,
      'f.yaml:9:17: services[0].affinity.timeoutSeconds is "3h"; allowed: an integer from 1 to 4294967'
    ],
    [
      'a list in one line',
      changed('port: 8080', 'port: 0'),
      'f.yaml:8:38: services[0].endpoints[0].port is 0; allowed: an integer from 1 to 65535'
    ],
    [
      'an entry that is no object',
      'services: [web]\n',
      'f.yaml:1:12: services[0] is "web"; allowed: a service: an object with name, protocol, frontends and endpoints'
    ],
    [
      'a name that is there twice',
      `${WEB}${WEB.slice('services:\n'.length)}`,
      'f.yaml:9:5: services[1].name is "web"; allowed: a name of its own: services[0] has it'
    ],
    ['no list', 'services: web\n', 'f.yaml:1:1: services is "web"; allowed: a list of services'],
    ['another field at the top', `${WEB}service: []\n`, 'f.yaml:9:1: service is []; allowed: one of services'],
    ['nothing', '', 'f.yaml:1:1: the file is missing; allowed: an object with a list `services`'],
    ['a list at the top', '[]', 'f.yaml:1:1: the file is []; allowed: an object with a list `services`'],
    ['a key that is there twice', changed('protocol: tcp\n', 'protocol: tcp\n    protocol: udp\n'), 'f.yaml:4:5: Map keys must be unique'],
    ['an open bracket', 'services: [', 'f.yaml:1:12: Flow sequence in block collection must be sufficiently indented and end with a ]'],
    ['an unknown tag', changed('name: web', 'name: !here web'), 'f.yaml:2:11: Unresolved tag: !here']
  ])('is refused with line and column: %s', async (_, text, message) => {
    expect((await mistakes(text))[0]).toBe(message)
  })

  test('is refused with all of its mistakes, up to twenty', async () => {
    const entry = '  - { name: "", protocol: tcp, frontends: [], endpoints: [] }\n'
    expect(await mistakes(`services:\n${entry.repeat(2)}`)).toHaveLength(2)
    const many = await mistakes(`services:\n${entry.repeat(25)}`)
    expect(many).toHaveLength(21)
    expect(many.at(-1)).toBe('and 5 more mistakes')
  })

  test('does not grow by its aliases without end', async () => {
    const levels = Array.from({ length: 9 }, (_, level) => `a${level + 1}: &a${level + 1} [${`*a${level}, `.repeat(10)}]`)
    const [first] = await mistakes(`a0: &a0 [x]\n${levels.join('\n')}\nservices: []\n`)
    expect(first).toMatch(/^f\.yaml:1:1: Excessive alias count/)
  })

  test('finds places by the name of a service', async () => {
    const document = await ServicesDocument.parse('f.yaml', WEB)
    expect(document.positionOf('services["web"].endpoints[0]')).toEqual({ line: 8, column: 17 })
    expect(document.positionOf('services["web"].frontends[0].address')).toEqual({ line: 6, column: 9 })
    expect(document.positionOf('services["web"].scheduler')).toEqual({ line: 2, column: 5 })
  })

  test('that cannot be read is named, with the reason', async () => {
    const { status, stderr } = await command(['plan', '/no/such/file.yaml'])
    expect({ status, stderr }).toEqual({
      status: 2,
      stderr: "netplane: /no/such/file.yaml: cannot be read: ENOENT: no such file or directory, open '/no/such/file.yaml'\n"
    })
  })

  test('is read from standard input', async () => {
    expect((await command(['plan', '-'], { stdin: WEB })).stdout).toContain('+ web')
    const { status, stderr } = await command(['plan', '-'], { stdin: changed('tcp', 'tpc') })
    expect({ status, stderr }).toEqual({
      status: 2,
      stderr: "netplane: standard input:3:5: services[0].protocol is \"tpc\"; allowed: 'tcp', 'udp', 'sctp'\n"
    })
  })
})

describe('a FIFO of services', () => {
  async function fifo(): Promise<string> {
    const folder = await mkdtemp(path.join(tmpdir(), 'netplane-fifo-'))
    onTestFinished(() => rm(folder, { recursive: true }))
    const file = path.join(folder, 'services')
    await run('mkfifo', [file])
    return file
  }

  test('is read to its end, with pauses', async () => {
    const file = await fifo()
    const planned = command(['plan', file])
    const writer = await open(file, 'w')
    await writer.write('serv')
    await new Promise((resolve) => setTimeout(resolve, 50))
    await writer.write('ices: []\n')
    await writer.close()
    expect(await planned).toMatchObject({ status: 0, stderr: '' })
  })

  test('is not waited for when a signal ends the command', async () => {
    const ending = new AbortController()
    const planned = command(['plan', await fifo()], { signal: ending.signal })
    setTimeout(() => ending.abort(new SignalError('SIGTERM')), 50)
    expect(await planned).toEqual({ status: 143, stdout: '', stderr: 'netplane: ended by SIGTERM\n' })
  })
})
