import os from 'node:os'
import path from 'node:path'
import { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { describe, expect, it, vi } from 'vitest'
import { SystemNames } from '../../../examples/ipvsadm/names.js'
import { runIpvsadm } from '../../../examples/ipvsadm/run.js'
import { Ipvs } from '../../../src/ipvs/client.js'
import { makeNamespace, type TestNamespace } from '../../support/namespace.js'

const PROGRAM = fileURLToPath(new URL('../../../build/examples/ipvsadm.js', import.meta.url))

interface Done {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

const wordsOf = (line: string): string[] => line.split(' ').filter((word) => word !== '')

async function ours(namespace: TestNamespace, line: string, input = ''): Promise<Done> {
  let [stdout, stderr] = ['', '']
  const status = await runIpvsadm(wordsOf(line), {
    open: () => Ipvs.open({ netns: namespace.path }),
    names: new SystemNames(),
    input: Readable.from([input]),
    output: (text) => void (stdout += text),
    error: (text) => void (stderr += text)
  })
  return { status, stdout, stderr }
}

async function theirs(namespace: TestNamespace, line: string, input = ''): Promise<Done> {
  const { status, stdout, stderr } = await namespace.attempt('ipvsadm', wordsOf(line), { input })
  return { status, stdout, stderr }
}

const state = (namespace: TestNamespace): Promise<string> => namespace.run('ipvsadm', ['-S', '-n'])

/** Many command lines in one shell: starting programs takes long in the lab. Prints standard output, exit status and standard error of each. */
const SHELL = `set -f
while IFS= read -r line; do
  output=$({ ipvsadm $line 2>&3 < /dev/null; echo "=$?"; } 3> "$1")
  printf '%s\\0%s\\0' "$output" "$(cat "$1"; echo .)"
done
rm "$1"`

async function allOfTheirs(namespace: TestNamespace, lines: readonly string[]): Promise<Done[]> {
  const file = path.join(os.tmpdir(), `${namespace.name}-stderr`)
  const text = await namespace.run('bash', ['-c', SHELL, 'bash', file], { input: `${lines.join('\n')}\n` })
  const parts = text.split('\0')
  return lines.map((_, at) => {
    const [output = '', error = ''] = parts.slice(2 * at)
    const end = output.lastIndexOf('=')
    return { status: Number(output.slice(end + 1)), stdout: output.slice(0, end), stderr: error.slice(0, -1) }
  })
}

/** Runs command lines with both programs, each in a namespace of its own: they must do, say and leave the same. */
async function compare(lines: readonly string[]): Promise<void> {
  const [own, original] = [await makeNamespace(), await makeNamespace()]
  const expected = await allOfTheirs(original, lines)
  for (const [at, line] of lines.entries()) expect({ line, ...(await ours(own, line)) }).toEqual({ line, ...expected[at] })
  expect(await state(own)).toBe(await state(original))
}

const LISTS = [
  '-Ln',
  '-ln',
  '-L -n --stats',
  '-Ln --stats --exact',
  '-Ln --rate',
  '-LnX --rate',
  '-Ln --thresholds',
  '-Ln --persistent-conn'
]
const MORE_LISTS = ['-Ln --tun-info', '-Ln --sort', '-S -n', '-Ln --timeout', '-L --daemon', '-Lnc', '-Lnc --persistent-conn']

describe('beside the original', () => {
  it('every kind of service is the same', () =>
    compare([
      '-A -t 10.0.0.1:80',
      '-At 10.0.0.2:80 -s rr -p',
      '-A --tcp-service=192.168.0.1:0 -p 20 -M 255.255.0.255',
      '-A -u 100.64.0.1:53 -o -s wrr',
      '-A --sctp-service 10.0.0.3:9 -s sh -b sh-port,sh-fallback',
      '-A -t [fd00::1]:http -s mh -b mh-port -p 60 -M 64',
      '-A -f 7 -s lc -b flag-1,flag-3',
      '-A -f 7 -6 -s rr -p -M 56',
      '-A -t 10.0.0.3:80 -s rr -p 300 -M 0.0.0.0',
      '-A -t 10.0.0.3:81 -s rr -p 2678400 -M 128.0.0.0',
      '-A -u 10.1:53 --pe sip -p 30',
      '-E -t 10.0.0.2:80 -s wlc -p=50',
      '-E -f 7 -s rr',
      '-D -t 10.0.0.1:80',
      ...LISTS,
      ...MORE_LISTS
    ]))

  it('every kind of real server is the same', () =>
    compare([
      '-A -t 10.0.0.1:80 -s rr',
      '-A -t [fd00::1]:443 -s rr',
      '-A -f 9 -s rr',
      '-a -t 10.0.0.1:80 -r 10.1.0.1:8080 -m -w 3 -x 100 -y 50',
      '-a -t 10.0.0.1:80 -r 192.168.1.1:81',
      '-a -t 10.0.0.1:80 -r 100.64.0.1 -g -w 0',
      '-a -t 10.0.0.1:80 -r 10.1.0.4 -i',
      '-a -t 10.0.0.1:80 -r 10.1.0.5 -i --tun-type gue --tun-port 6080 --tun-csum',
      '-a -t 10.0.0.1:80 -r 10.1.0.6 -i --tun-type gue --tun-port 6080 --tun-remcsum -w 2147483647',
      '-a -t 10.0.0.1:80 -r 10.1.0.7 -i --tun-type gre --tun-csum',
      '-a -t 10.0.0.1:80 -r [fd00::5]:80 -i',
      '-a -t 10.0.0.1:80 -r 127.0.0.1:8080 -m',
      '-a -t [fd00::1]:443 -r [fd00::a]:444 -m',
      '-a -f 9 -r 10.2.0.1 -m',
      '-a -r 10.2.0.2:90 -f 9 -g',
      '-e -t 10.0.0.1:80 -r 10.1.0.1:8080 -m -w 4',
      '-e -t 10.0.0.1:80 -r 10.1.0.4 -i --tun-type gre',
      '-d -t 10.0.0.1:80 -r 10.1.0.5',
      '-Ln -t 10.0.0.1:80',
      '-Z -t 10.0.0.1:80',
      '-Z',
      ...LISTS,
      ...MORE_LISTS,
      '-C',
      '-Ln'
    ]))

  it('refusals are the same, in words and exit status', () =>
    compare([
      '-A -t 10.0.0.1:80',
      '-A -t 10.0.0.1:80',
      '-A -t 10.0.0.2:80 -s nope',
      '-E -t 10.0.0.2:80',
      '-D -t 10.0.0.2:80',
      '-Z -t 10.0.0.2:80',
      '-L -t 10.0.0.2:80',
      '-A -t 224.0.0.1:80 -p',
      '-a -t 10.0.0.1:80 -r 10.1.0.1 -m',
      '-a -t 10.0.0.1:80 -r 10.1.0.1 -m',
      '-a -t 10.0.0.2:80 -r 10.1.0.1 -m',
      '-e -t 10.0.0.1:80 -r 10.1.0.2 -m',
      '-d -t 10.0.0.1:80 -r 10.1.0.2',
      '-d -t 10.0.0.2:80 -r 10.1.0.2',
      '--stop-daemon backup',
      '--start-daemon master --mcast-interface nowhere'
    ]))

  it('wrong command lines are the same, in words and exit status', () =>
    compare([
      '--nothing',
      '-n -L',
      '-A',
      '-Z -q',
      '-Ax',
      '-A -t 10.0.0.1:80 -s',
      '-L -A',
      '-A -t 10.0.0.1',
      '-A -t 10.0.0.1:0',
      '-A -t 10.0.0.1:none',
      '-A -t 80',
      '-A -t 10.0.0.1:80 -t 10.0.0.1:81',
      '-A -t 10.0.0.1:80 more',
      '-A -t 10.0.0.1:80 -o',
      '-A -t 10.0.0.1:80 -p 0',
      '-A -t 10.0.0.1:80 -b sh-port',
      '-A -t 10.0.0.1:80 -s sh -b sh-port,none',
      '-A -t [fd00::1]:80 -p -M 129',
      '-A -6 -f 1',
      '-A -f 0',
      '-C -n',
      '-L -s rr',
      '-D -t 10.0.0.1:80 -w 1',
      '-a -t 10.0.0.1:80',
      '-a -t 10.0.0.1:80 -r 10.1.0.1 -w 2147483648',
      '-a -t 10.0.0.1:80 -r 10.1.0.1 -w -1',
      '-a -t 10.0.0.1:80 -r [fd00::1]:80 -m',
      '-a -t 10.0.0.1:80 -r 10.1.0.1 -g --tun-type gre',
      '-a -t 10.0.0.1:80 -r 10.1.0.1 -i --tun-type none',
      '-a -t 10.0.0.1:80 -r 10.1.0.1 -i --tun-type gue',
      '-a -t 10.0.0.1:80 -r 10.1.0.1 -i --tun-type gre --tun-csum --tun-nocsum',
      '-L --timeout --daemon',
      '-L --timeout --stats',
      '--set 1 2',
      '--set 1 2 x',
      '--start-daemon none',
      '--stop-daemon none',
      '--start-daemon master --syncid 256',
      '--start-daemon master --mcast-group 10.0.0.1'
    ]))

  it('time-outs and daemons are the same', () =>
    compare([
      '--set 100 0 200',
      '--set 0 0 0',
      '-L --timeout',
      '--start-daemon master --mcast-interface lo',
      '--start-daemon backup --mcast-interface lo --syncid 7 --mcast-group 224.0.0.82 --mcast-port 9000 --mcast-ttl 3 --sync-maxlen 1000',
      '--start-daemon master --mcast-interface lo',
      '-L --daemon',
      '--stop-daemon master',
      '--stop-daemon backup',
      '-L --daemon'
    ]))

  it('names are the same', () =>
    compare(['-A -t 127.0.0.1:http -s rr', '-A -u 127.0.0.1:domain', '-a -t 127.0.0.1:http -r localhost:https -m', '-L', '-S', '']))

  it('counters and connections read the same', async () => {
    const namespace = await makeNamespace()
    await namespace.ip('address', 'add', '10.0.0.1/32', 'dev', 'lo')
    await ours(namespace, '-A -u 10.0.0.1:53 -s rr -p 600')
    await ours(namespace, '-a -u 10.0.0.1:53 -r 127.0.0.1:5353 -m')
    for (const port of [80, 81, 82, 83]) await ours(namespace, `-A -t 10.0.0.1:${port}`)
    await namespace.run('bash', ['-c', 'for each in 1 2 3; do echo some bytes > /dev/udp/10.0.0.1/53 || true; done'])
    await vi.waitFor(async () => expect((await ours(namespace, '-Ln --stats')).stdout).toMatch(/-> 127.0.0.1:5353 +3 /), {
      timeout: 20_000,
      interval: 500
    })
    for (const line of ['-Ln', '-Ln --stats', '-Ln --stats --exact', '-Ln --persistent-conn', '-Ln --nosort'])
      expect(await ours(namespace, line)).toEqual(await theirs(namespace, line))
    const connections = (done: Done): string[] =>
      done.stdout
        .replaceAll(/ [0-9]{2}:[0-9]{2} /g, ' 00:00 ')
        .split('\n')
        .sort()
    const found = connections(await ours(namespace, '-Lnc'))
    expect(found).toEqual(connections(await theirs(namespace, '-Lnc')))
    // Three connections and their template, the two lines of the title, and the end.
    expect(found).toHaveLength(7)
  })
})

describe('-R', () => {
  const rules = Array.from({ length: 20 }, (_, service) => [
    `-A -t 10.0.${service}.1:80 -s rr`,
    ...Array.from({ length: 5 }, (_, server) => `-a -t 10.0.${service}.1:80 -r 10.1.${service}.${server}:8080 -m -w ${server}`)
  ]).flat()

  it.each([
    ['a whole table', rules],
    ['a table with changes', [...rules, '-E -t 10.0.3.1:80 -s wlc', '-d -t 10.0.3.1:80 -r 10.1.3.1:8080', '-D -t 10.0.4.1:80', '-Z']],
    ['refused lines', ['-a -t 10.9.0.1:80 -r 10.1.0.1 -m', '-A -t 10.9.0.1:80', ...rules, '-A -t 10.9.0.1:80']],
    ['a refused line before a good one', ['-A -t 10.9.0.1:80', 'ipvsadm -A -t 10.9.0.1:80 -s rr', '', '-A -t 10.9.0.2:80']],
    ['a wrong line', ['-A -t 10.9.0.1:80', '-A -t 10.9.0.2:80 -w 1', '-A -t 10.9.0.3:80']]
  ])('does with %s what the original does', async (_, lines) => {
    const [own, original] = [await makeNamespace(), await makeNamespace()]
    const input = `${lines.join('\n')}\n`
    const [mine, his] = [await ours(own, '-R', input), await theirs(original, '-R', input)]
    expect({ ...mine, stderr: mine.stderr.replaceAll(/^line [0-9]+: /gm, '') }).toEqual(his)
    expect(await state(own)).toBe(await state(original))
  })

  it('reads as a program what the original prints', async () => {
    const namespace = await makeNamespace()
    await namespace.run('ipvsadm', ['-R'], { input: `${rules.join('\n')}\n` })
    const saved = await state(namespace)
    await namespace.run('ipvsadm', ['-C'])
    expect(await namespace.run(process.execPath, [PROGRAM, '-R'], { input: saved })).toBe('')
    expect(await state(namespace)).toBe(saved)
    expect(await namespace.run(process.execPath, [PROGRAM, '-S', '-n'])).toBe(saved)
    expect(await namespace.attempt(process.execPath, [PROGRAM, '-D', '-t', '10.9.9.9:1'])).toMatchObject({
      status: 255,
      stderr: 'No such service\n'
    })
  })
})
