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

  test('is told of all prefixes that are wrong', async () => {
    const allow = '[192.0.2.0/24, 192.0.2.1/24, nonsense, 192.0.2.128/25, "fd00::/8", 10.0.0.0/8]'
    const text = changed('kind: cluster', `kind: loadBalancer\n        sourceRanges: { allow: ${allow}, deny: [x, 10.0.0.1/8] }`)
    const told = (await mistakes(text)).map((line) => line.replace(/ is .*|, and not .*/, ''))
    expect(told).toEqual([
      'f.yaml:6:47: services[0].frontends[0].sourceRanges.allow[1]',
      'f.yaml:6:61: services[0].frontends[0].sourceRanges.allow[2]',
      'f.yaml:6:71: services[0].frontends[0].sourceRanges.allow[3]',
      'f.yaml:6:87: services[0].frontends[0].sourceRanges.allow[4]',
      'f.yaml:6:119: services[0].frontends[0].sourceRanges.deny[0]',
      'f.yaml:6:122: services[0].frontends[0].sourceRanges.deny[1]'
    ])
  })

  test.each([
    ['f.json', '{\n "services": [],\n}', ['f.json:2:16: a comma stands behind the last entry, which JSON does not allow']],
    ['standard input', ' {"services": [1,,]}', undefined],
    ['standard input', '{"services": [\n1,\n]}', ['standard input:2:2: a comma stands behind the last entry, which JSON does not allow']],
    ['f.json', '[1,]', ['f.json:1:3: a comma stands behind the last entry, which JSON does not allow']],
    ['f.yaml', 'services: [\n]', []],
    ['f.yaml', changed('port: 8080 }]', 'port: 8080, },]'), []]
  ])('of JSON has no comma behind the last entry: %s %j', async (file, text, told) => {
    const error: unknown = await ServicesDocument.parse(file, text).then(
      () => undefined,
      (thrown: unknown) => thrown
    )
    const lines = error instanceof Error ? error.message.split('\n') : []
    if (told === undefined) expect(lines).not.toEqual([])
    else expect(lines).toEqual(told)
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
      'f.yaml:8:9: services[0].frontends[0].ports is no field; fields are kind, address, port, trafficPolicy, carrier'
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
    ['another field at the top', `${WEB}service: []\n`, 'f.yaml:9:1: service is no field; the field is services'],
    ['nothing', '', 'f.yaml:1:1: the file is empty; allowed: an object with a list `services`'],
    ['a list at the top', '[]', 'f.yaml:1:1: the file is []; allowed: an object with a list `services`'],
    ['a key that is there twice', changed('protocol: tcp\n', 'protocol: tcp\n    protocol: udp\n'), 'f.yaml:4:5: Map keys must be unique'],
    ['an open bracket', 'services: [', 'f.yaml:1:12: Flow sequence in block collection must be sufficiently indented and end with a ]'],
    ['nothing but a comment', '# later\n', 'f.yaml:1:1: the file is empty; allowed: an object with a list `services`'],
    ['several documents', `${WEB}---\n${WEB}`, 'f.yaml:9:1: the file has several documents; one is taken'],
    [
      'an alias of nothing',
      changed('[{ address: 10.1.0.1, port: 8080 }]', '*nope'),
      'f.yaml:8:16: alias *nope is unknown: no anchor &nope is before it'
    ],
    [
      'an alias before its anchor',
      changed('port: 80\n', 'port: *web\n').replace('8080', '&web 8080'),
      'f.yaml:7:15: alias *web is unknown: no anchor &web is before it'
    ],
    [
      'a merge key',
      changed('      - kind: cluster\n', '      - <<: {}\n        kind: cluster\n'),
      'f.yaml:5:9: merge keys (`<<`) are not taken: write the fields themselves'
    ],
    [
      'lists in lists without end',
      `${'['.repeat(20_000)}${']'.repeat(20_000)}`,
      'f.yaml:1:102: the file is nested too deeply; allowed: 100 objects and lists in each other'
    ],
    ['an unknown tag', changed('name: web', 'name: !here web'), 'f.yaml:2:11: Unresolved tag: !here']
  ])('is refused with line and column: %s', async (_, text, message) => {
    expect((await mistakes(text))[0]).toBe(message)
  })

  test('is refused with all of its mistakes, up to twenty', async () => {
    const entry = '  - { name: "", protocol: tcp, frontends: [], endpoints: [] }\n'
    expect(await mistakes(`services:\n${entry.repeat(2)}`)).toHaveLength(4)
    const many = await mistakes(`services:\n${entry.repeat(25)}`)
    expect(many).toHaveLength(21)
    expect(many.at(-1)).toBe('and 30 more mistakes')
    const ports = Array.from({ length: 300 }, (_, port) => `{ address: 10.1.0.1, port: -${port} }`)
    const one = await mistakes(changed('{ address: 10.1.0.1, port: 8080 }', ports.join(', ')))
    expect(one).toHaveLength(21)
    expect(one.at(-1)).toBe('and at least 1 more mistakes')
  })

  test('is refused with all mistakes of each service, in the order of the file', async () => {
    const text = `services:
  - frontends:
      - { kind: cluster, address: 10.96.0.1, port: "80", "a.b[0]": 1 }
      - { kind: loadbalancer, address: 10.96.0.1, port: 0 }
      - { kind: loadBalancer, address: 10.0.0.300, port: 81, trafficPolicy: no, sourceRanges: { allow: [192.0.2.0/24] } }
      - { kind: node, port: 30080, family: ipx }
      - { kind: node, port: 30080 }
      - { kind: cluster, address: 10.96.0.9, port: 1 }
      - { kind: cluster, address: 10.96.0.9, port: 1 }
      - web
    endpoints: [{ address: 10.1.0.1, port: 8080, weight: -1, state: gone }, { address: 10.1.0.1, port: 8080 }, 3]
    colour: red
    affinity: { timeout: 3 }
    protocol: tpc
    scheduler: best
    priority: high
    name: web
  - { name: web, protocol: tcp, frontends: 1, endpoints: 2 }
`
    const short = (await mistakes(text)).map((line) => line.replace(/^f\.yaml:(\d+):.*?: services\[(\d)\](.*?)(?: is .*)$/, '$1 $2$3'))
    expect(short).toEqual([
      '3 0.frontends[0].a.b[0]',
      '3 0.frontends[0].port',
      '4 0.frontends[1].kind',
      '4 0.frontends[1].port',
      '5 0.frontends[2].address',
      '5 0.frontends[2].trafficPolicy',
      '6 0.frontends[3].family',
      '9 0.frontends[6]',
      '10 0.frontends[7]',
      '11 0.endpoints[0].weight',
      '11 0.endpoints[0].state',
      '11 0.endpoints[1]',
      '11 0.endpoints[2]',
      '12 0.colour',
      '13 0.affinity.timeoutSeconds',
      '13 0.affinity.timeout',
      '14 0.protocol',
      '15 0.scheduler',
      '16 0.priority',
      '18 1.name',
      'and 2 more mistakes'
    ])
  })

  test('is told of a name that is there twice, although the first service is wrong', async () => {
    const twice = `${changed('port: 80\n', 'port: 0\n')}${WEB.slice('services:\n'.length)}`
    expect(await mistakes(twice)).toEqual([
      'f.yaml:7:9: services[0].frontends[0].port is 0; allowed: an integer from 1 to 65535',
      'f.yaml:9:5: services[1].name is "web"; allowed: a name of its own: services[0] has it'
    ])
  })

  test('is told no mistake that another one has made', async () => {
    const weights = '{ address: 10.1.0.1, port: 1, weight: 50000 }, { address: 10.1.0.2, port: 1, weight: 50000 }'
    expect(
      await mistakes(changed('{ address: 10.1.0.1, port: 8080 }', `${weights}, { address: 10.1.0.3, port: 1, weight: -1 }`))
    ).toHaveLength(1)
    const kinds = `[{ kind: nodeport, port: 30080 }, { kind: node, port: 30080 }, { kind: no, address: 10.96.0.1, port: 80, family: ip }]`
    expect(await mistakes(WEB.replace(/frontends:[^]*?(?= +endpoints)/, `frontends: ${kinds}\n`))).toHaveLength(2)
    const aliases = `services:
  - { name: a, protocol: tcp, frontends: [&one { kind: cluster, address: 10.96.0.1, port: 0 }], endpoints: &all [{ address: x, port: 1 }] }
  - { name: b, protocol: tcp, frontends: [*one], endpoints: *all }
`
    expect(await mistakes(aliases)).toHaveLength(4)
  })

  test('may have itself as a part, and is refused', async () => {
    expect(await mistakes(changed('frontends:\n', 'more: &more [*more]\n    frontends:\n'))).toHaveLength(1)
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

test('a file without an end is refused before it takes all memory', async () => {
  const { status, stderr } = await command(['plan', '/dev/zero'])
  expect(status).toBe(2)
  expect(stderr).toMatch(/^netplane: \/dev\/zero: cannot be read: it is larger than \d+ MiB, and the heap has room for no more \(.*\)\n$/)
})

test('standard input that cannot be read is told as a file is', async () => {
  const { status, stderr } = await command(['plan', '-'], { stdin: Object.assign(new Error('EISDIR: read'), { code: 'EISDIR' }) })
  expect({ status, stderr }).toEqual({ status: 2, stderr: 'netplane: standard input: cannot be read: EISDIR: read\n' })
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
