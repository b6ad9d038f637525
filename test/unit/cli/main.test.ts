import { readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { isChanging } from '../../../src/cli/changing.js'
import { SignalError } from '../../../src/cli/errors.js'
import { endingOf } from '../../../src/cli/exit-status.js'
import { describedProgram } from '../../../src/cli/manual.js'
import { VERSION } from '../../../src/core/version.js'
import { command, KeptStream } from '../../support/command.js'

describe('the command line', () => {
  test('says its version', async () => {
    expect(await command(['--version'])).toEqual({ status: 0, stdout: `${VERSION}\n`, stderr: '' })
  })

  test('shows help when it is asked, in as many columns as there are', async () => {
    const { status, stdout } = await command(['apply', '--help'], { columns: 40 })
    expect(status).toBe(0)
    expect(stdout).toContain('--atomic')
    expect(stdout.split('\n').filter((line) => line.length > 40)).toEqual([])
  })

  test('knows which commands change services, as docs/cli.md says', () => {
    const docs = readFileSync(path.resolve(import.meta.dirname, '../../../docs/cli.md'), 'utf8')
    const [, said = ''] = /^Only (.*) change services\.$/m.exec(docs) ?? []
    const changing = describedProgram()
      .commands.filter(isChanging)
      .map((one) => one.name())
    expect(changing).toEqual([...said.matchAll(/`(\w+)`/g)].map(([, name]) => name))
  })

  test('shows help on standard error where no command is named', async () => {
    const { status, stdout, stderr } = await command([])
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
    expect(stderr).toContain('Usage: netplane')
  })

  test.each([
    [['doktor'], "netplane: unknown command 'doktor'\n(Did you mean doctor?)\n"],
    [['doctor', '--mod', 'ipvs'], "netplane: unknown option '--mod'\n(Did you mean --mode?)\n"],
    [
      ['doctor', '--mode', 'ebpf'],
      "netplane: option '--mode <mode>' argument 'ebpf' is invalid. Allowed choices are nftables, ipvs, iptables.\n"
    ],
    [
      ['doctor', '-o', 'xml'],
      "netplane: option '-o, --output <format>' argument 'xml' is invalid. Allowed choices are text, wide, json, yaml.\n"
    ],
    [['doctor', '--netns', ''], "netplane: option '--netns <namespace>' argument '' is invalid. It is empty.\n"],
    [['\u001b[2Jfrob'], "netplane: unknown command '\\x1b[2Jfrob'\n"],
    [['show', '--nam\u009b'], "netplane: unknown option '--nam\\x9b'\n(Did you mean --name?)\n"],
    [['plan'], "netplane: missing required argument 'file'\n"],
    [['help', 'frob'], "netplane: unknown command 'frob'\n"],
    [['doctor', 'now'], "netplane: too many arguments for 'doctor'. Expected 0 arguments but got 1.\n"]
  ])('refuses %j', async (args, stderr) => {
    expect(await command(args)).toEqual({ status: 2, stdout: '', stderr })
  })

  test('ends quietly when nobody reads any more', async () => {
    const stdout = new KeptStream()
    stdout.fault = Object.assign(new Error('write EPIPE'), { code: 'EPIPE' })
    expect(await command(['doctor'], { stdout })).toEqual({ status: 0, stdout: '', stderr: '' })
  })

  test.each([
    [['doctor', '-o', 'json'], 3],
    [['--help'], 3],
    [['watch', '--interval', '60'], 3],
    [['plan', '/no/such/file'], 2]
  ])('says that the answer of %j could not be written, where there is one', async (args, status) => {
    const stdout = new KeptStream()
    stdout.fault = Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' })
    const result = await command(args, { stdout })
    expect(result.status).toBe(status)
    expect(result.stderr).toMatch(
      status === 3 ? /^netplane: standard output cannot be written: ENOSPC: no space left on device, write\n$/ : /^netplane: .*ENOENT.*\n$/
    )
  })

  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143]
  ] as const)('is ended by %s, before it begins and while it waits for standard input', async (name, status) => {
    const aborted = AbortSignal.abort(new SignalError(name))
    expect(await command(['doctor'], { signal: aborted })).toEqual({ status, stdout: '', stderr: `netplane: ended by ${name}\n` })
    const ending = new AbortController()
    const running = command(['apply', '-'], { signal: ending.signal, stdin: 'services: []' })
    ending.abort(new SignalError(name))
    expect((await running).status).toBe(status)
  })

  test('shows stacks with NETPLANE_DEBUG=1 alone', async () => {
    const { stderr } = await command(['plan', '/no/such/file'])
    expect(stderr).not.toContain('    at ')
    expect((await command(['plan', '/no/such/file'], { variables: { NETPLANE_DEBUG: 'netlink, 1' } })).stderr).toContain('\n    at ')
  })

  test('shows the stack of an error of its own, and what caused it', () => {
    const { status, lines } = endingOf(new Error('odd', { cause: new Error('deeper') }), false)
    expect(status).toBe(70)
    expect(lines[0]).toBe('odd')
    expect(lines).toContain('  caused by deeper')
  })

  test('says how far a command had come that a signal ended', () => {
    const ended = AbortSignal.abort(new SignalError('SIGINT'))
    expect(endingOf(new Error('3 services were applied'), false, ended)).toEqual({
      status: 130,
      lines: ['ended by SIGINT: 3 services were applied']
    })
  })

  test('does not let a terminal obey what an error says', () => {
    expect(endingOf(new Error('\u001b[2J'), false).lines[0]).toBe('\\x1b[2J')
    expect(endingOf('no error', false)).toEqual({ status: 70, lines: ['no error'] })
  })
})
