import { Readable } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { countText } from '../../../examples/ipvsadm/format.js'
import { readEndpoint, readIpv4, readServices, type Names } from '../../../examples/ipvsadm/names.js'
import { readRequest } from '../../../examples/ipvsadm/request.js'
import { runIpvsadm } from '../../../examples/ipvsadm/run.js'
import { FakeIpvsKernel } from '../../../src/testing.js'

const services = readServices('# names\nhttp 80/tcp www # web\ndomain 53/udp\nbroken\nother 80/tcp\n')
const names: Names = {
  addressOf: (host) => Promise.resolve(host === 'web.test' ? '10.0.0.7' : undefined),
  hostOf: (address) => Promise.resolve(address === '10.0.0.1' ? 'a-director-with-a-very-long-name.test' : undefined),
  portOf: (name, protocol) => services.ports.get(`${name}/${protocol}`),
  serviceOf: (port, protocol) => services.names.get(`${port}/${protocol}`)
}

/** Runs a command line on a kernel in memory. */
async function run(kernel: FakeIpvsKernel, line: string, input = ''): Promise<{ status: number; output: string; error: string }> {
  let [output, error] = ['', '']
  const words = line.split(' ').filter((word) => word !== '')
  const status = await runIpvsadm(words, {
    open: () => kernel.open(),
    names,
    input: Readable.from([input]),
    output: (text) => void (output += text),
    error: (text) => void (error += text)
  })
  return { status, output, error }
}

describe('the words of a command line', () => {
  it.each([
    ['10.0.0.1:80', { address: '10.0.0.1', family: 'ip', port: 80 }],
    ['10.1', { address: '10.0.0.1', family: 'ip', port: undefined }],
    ['[fd00::0:1]:http', { address: 'fd00::1', family: 'ip6', port: 80 }],
    ['fd00::1', { address: 'fd00::1', family: 'ip6', port: undefined }],
    ['web.test:www', { address: '10.0.0.7', family: 'ip', port: 80 }],
    ['80', undefined],
    ['nobody.test:80', undefined],
    ['10.0.0.1:nobody', undefined],
    ['10.0.0.1:65536', undefined],
    ['[fd00::1]', undefined]
  ])('%s names an endpoint, or none', async (text, expected) => {
    expect(await readEndpoint(text, 'tcp', names)).toEqual(expected)
  })

  it.each([
    ['0x0a000001', '10.0.0.1'],
    ['012.0.0.1', '10.0.0.1'],
    ['255.255.0.255', '255.255.0.255'],
    ['10.0.0.256', undefined],
    ['1.2.3.4.5', undefined],
    ['08.0.0.1', undefined]
  ])('%s is the address %s', (text, expected) => {
    expect(readIpv4(text)).toBe(expected)
  })

  it('can be written together, apart, with an equals sign, short and long', async () => {
    const lines = [
      '-At10.0.0.1:80 -srr -p',
      '-A -t=10.0.0.1:80 -p -s rr',
      '--add-service --tcp-service=10.0.0.1:80 --scheduler rr --persistent'
    ]
    const requests = await Promise.all(lines.map((line) => readRequest(line.split(' '), names)))
    for (const request of requests)
      expect(request).toMatchObject({
        command: 'add-service',
        service: { address: '10.0.0.1', port: 80, scheduler: 'rr', persistenceSeconds: 360 }
      })
  })

  it.each([
    ['', undefined],
    ['-n -L', 255],
    ['-A -q', 255],
    ['-A -t', 255],
    ['-L --numeric=1', 255],
    ['-L -A', 2],
    ['-A', 2],
    ['-A -t 10.0.0.1:80 -w 3', 2],
    ['-A -t 10.0.0.1:80 -t 10.0.0.1:81', 2],
    ['-A -t 10.0.0.1', 2],
    ['-A -t 10.0.0.1:80 -o', 2],
    ['-A -6 -f 1', 2],
    ['-A -f 0', 2],
    ['-A -t 10.0.0.1:80 -b sh-port', 2],
    ['-A -t 10.0.0.1:80 -b nothing', 2],
    ['-A -t 10.0.0.1:80 more', 2],
    ['-a -t 10.0.0.1:80 -r fd00::1 -m', 2],
    ['-a -t 10.0.0.1:80 -r 10.0.0.2 -m --tun-type gre', 2],
    ['-a -t 10.0.0.1:80 -r 10.0.0.2 -i --tun-type gue', 2],
    ['-a -t 10.0.0.1:80 -r 10.0.0.2 -i --tun-type gre --tun-port 1', 2],
    ['-a -t 10.0.0.1:80 -r 10.0.0.2 -w 2147483648', 2],
    ['-L -c --timeout', 2],
    ['-L --daemon --stats', 2],
    ['--set 1 2', 2],
    ['--set 1 2 x', 2],
    ['--start-daemon nobody', 2],
    ['--start-daemon master --mcast-group 10.0.0.1', 2]
  ])('%s is refused with the status of the original (%s)', async (line, status) => {
    const done = await run(new FakeIpvsKernel(), line)
    expect(done.status).toBe(status ?? 0)
    expect(done.error === '').toBe(status === undefined)
  })
})

const RULES = `-A -t 10.0.0.1:80 -s wrr -p 600 -M 255.255.255.0 -b flag-2
-a -t 10.0.0.1:80 -r 10.1.0.1:8080 -m -w 3
-a -t 10.0.0.1:80 -r 10.1.0.2:80 -i -w 1 --tun-type gue --tun-port 6080 --tun-remcsum
-a -t 10.0.0.1:80 -r 10.1.0.3:80 -g -w 0
-A -t 10.0.0.3:80 -s rr -p 300 -M 0.0.0.0
-A -u 10.0.0.2:53 -s rr --pe sip -o
-A -t [fd00::1]:443 -s mh -p 360 -M 64 -b mh-fallback,mh-port
-A -f 7 -6 -s wlc
-a -f 7 -6 -r [fd00::2]:0 -i -w 1 --tun-type ipip
`

describe('the table', () => {
  it('is saved as it was restored', async () => {
    const kernel = new FakeIpvsKernel()
    expect(await run(kernel, '-R', RULES)).toEqual({ status: 0, output: '', error: '' })
    expect((await run(kernel, '-S -n')).output).toBe(RULES)
  })

  it('is listed in the columns of the original', async () => {
    const kernel = new FakeIpvsKernel()
    await run(kernel, '-R', `${RULES}-A -t 192.168.0.1:80 -s rr\n`)
    expect((await run(kernel, '-Ln --tun-info')).output).toBe(`IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port           Forward TunnelInfo    Weight ActiveConn InActConn
TCP  192.168.0.1:80 rr
TCP  10.0.0.1:80 wrr (flag-2) persistent 600 mask 255.255.255.0
  -> 10.1.0.1:8080                Masq    n/a           3      0          0         
  -> 10.1.0.2:80                  Tunnel  gue:6080:r+c  1      0          0         
  -> 10.1.0.3:80                  Route   n/a           0      0          0         
TCP  10.0.0.3:80 rr persistent 300 mask 0.0.0.0
UDP  10.0.0.2:53 rr ops
TCP  [fd00::1]:443 mh (mh-fallback,mh-port) persistent 360 mask 64
FWM  7 IPv6 wlc
  -> [fd00::2]:0                  Tunnel  ipip          1      0          0         
`)
  })

  it('has names, cut to their columns', async () => {
    const kernel = new FakeIpvsKernel()
    await run(kernel, '-A -t 10.0.0.1:80 -s rr')
    await run(kernel, '-a -t 10.0.0.1:80 -r web.test:www -m')
    const { output } = await run(kernel, '-L -t 10.0.0.1:80')
    expect(output.split('\n').slice(2, 4)).toEqual([
      'TCP  a-director-with-a-very-long- rr',
      '  -> 10.0.0.7:http                Masq    1      0          0         '
    ])
  })

  it.each([
    [0n, false, '        0'],
    [99_999_999n, false, ' 99999999'],
    [100_000_000n, false, '  100000K'],
    [1_000_000_000n, false, '    1000M'],
    [100_000_000_000n, false, '     100G'],
    [100_000_000_000_000n, false, '     100T'],
    [1_234_567_890n, true, ' 1234567890']
  ])('counts %s (exactly: %s) as %j', (value, isExact, expected) => {
    expect(countText(value, isExact)).toBe(expected)
  })
})

describe('changes', () => {
  it('reset what is not mentioned', async () => {
    const kernel = new FakeIpvsKernel()
    await run(kernel, '-A -t 10.0.0.1:80 -s rr -p 20')
    await run(kernel, '-a -t 10.0.0.1:80 -r 10.0.0.2:81 -m -w 9 -x 5')
    expect((await run(kernel, '-E -t 10.0.0.1:80')).status).toBe(0)
    expect((await run(kernel, '-e -t 10.0.0.1:80 -r 10.0.0.2:81 -m')).status).toBe(0)
    expect((await run(kernel, '-Sn')).output).toBe('-A -t 10.0.0.1:80 -s wlc\n-a -t 10.0.0.1:80 -r 10.0.0.2:81 -m -w 1\n')
    expect((await run(kernel, '-Ln --thresholds')).output).toContain('10.0.0.2:81                  0          0 ')
  })

  it('are refused in the words of the original', async () => {
    const kernel = new FakeIpvsKernel()
    expect(await run(kernel, '-D -t 10.0.0.1:80')).toEqual({ status: 255, output: '', error: 'No such service\n' })
    expect(await run(kernel, '-L -t 10.0.0.1:80')).toEqual({ status: 1, output: '', error: 'No such service\n' })
    expect((await run(kernel, '-A -t 10.0.0.1:80 -s nope')).error).toBe('Scheduler or persistence engine not found\n')
    expect((await run(kernel, '-A -t 10.0.0.1:80')).status).toBe(0)
    expect((await run(kernel, '-d -t 10.0.0.1:80 -r 10.0.0.2')).error).toBe('No such destination\n')
  })

  it('set time-outs, and keep those that are 0', async () => {
    const kernel = new FakeIpvsKernel()
    expect((await run(kernel, '--set 60 0 0')).status).toBe(0)
    expect((await run(kernel, '--set 0 0 0')).status).toBe(0)
    expect((await run(kernel, '-L --timeout')).output).toBe('Timeout (tcp tcpfin udp): 60 120 300\n')
  })

  it('start and stop daemons', async () => {
    const kernel = new FakeIpvsKernel()
    expect((await run(kernel, '--start-daemon backup --mcast-interface lo --syncid 7 --mcast-ttl 3')).status).toBe(0)
    expect((await run(kernel, '-L --daemon')).output).toMatch(/^backup sync daemon \(mcast=lo, syncid=7, .*ttl=3\)\n$/)
    expect((await run(kernel, '--stop-daemon backup')).status).toBe(0)
    expect(await run(kernel, '--stop-daemon backup')).toMatchObject({ status: 255, error: 'No daemon is running\n' })
  })

  it('need IPVS and the right to use it', async () => {
    expect(await run(new FakeIpvsKernel({ supported: false }), '-Ln')).toMatchObject({ status: 2, output: '' })
    const { status, error } = await run(new FakeIpvsKernel({ privileged: false }), '-Ln')
    expect({ status, error }).toEqual({ status: 2, error: "Can't initialize ipvs: Permission denied (you must be root)\n" })
  })
})

describe('restoring', () => {
  it('keeps the order: real servers before their service find none', async () => {
    const kernel = new FakeIpvsKernel()
    const rules = ['-a -t 10.0.0.1:80 -r 10.0.0.2', '', 'ipvsadm -A -t 10.0.0.1:80', '-a -t 10.0.0.1:80 -r 10.0.0.3', '-D -t 10.0.0.1:80']
    const again = ['-A -t 10.0.0.1:80 -s rr', '-a -t 10.0.0.1:80 -r 10.0.0.4']
    expect(await run(kernel, '-R', [...rules, ...again].join('\n'))).toEqual({
      status: 0,
      output: '',
      error: 'line 1: Service not defined\n'
    })
    expect((await run(kernel, '-Sn')).output).toBe('-A -t 10.0.0.1:80 -s rr\n-a -t 10.0.0.1:80 -r 10.0.0.4:80 -g -w 1\n')
  })

  it('names refused lines, goes on, and ends with the status of the last', async () => {
    const kernel = new FakeIpvsKernel()
    const rules = ['-A -t 10.0.0.1:80', '-a -t 10.0.0.1:80 -r 10.0.0.2 -x 1 -y 2', '-A -t 10.0.0.2:80 -s nope', '-A -t 10.0.0.1:80']
    const done = await run(kernel, '-R', rules.join('\n'))
    expect(done.status).toBe(255)
    expect(done.error.split('\n').map((line) => line.slice(0, 8))).toEqual(['line 2: ', 'line 3: ', 'line 4: ', ''])
    expect((await run(kernel, '-Sn')).output).toBe('-A -t 10.0.0.1:80 -s wlc\n')
  })

  it('stops at a line that is wrong, after those before it', async () => {
    const kernel = new FakeIpvsKernel()
    const done = await run(kernel, '-R', '-A -t 10.0.0.1:80\n-A -t 10.0.0.2:80 -w 1\n-A -t 10.0.0.3:80\n')
    expect(done).toMatchObject({ status: 2, error: "line 2: Illegal 'weight' option with the 'add-service' command\n" })
    expect((await run(kernel, '-Sn')).output).toBe('-A -t 10.0.0.1:80 -s wlc\n')
  })
})
