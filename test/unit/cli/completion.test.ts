import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { command } from '../../support/command.js'
import { run } from '../../support/run.js'

/** What bash offers behind these words. */
async function offered(...words: string[]): Promise<string[]> {
  const { stdout } = await command(['completion', 'bash'])
  const folder = await mkdtemp(path.join(tmpdir(), 'netplane-completion-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const file = path.join(folder, 'netplane.bash')
  await writeFile(file, stdout)
  const line = words.map((word) => `'${word}'`).join(' ')
  const script = `. ${file}; COMP_WORDS=(netplane ${line}); COMP_CWORD=${words.length}; _netplane; printf '%s\\n' "\${COMPREPLY[@]}"`
  return (await run('bash', ['-c', script], { cwd: folder })).split('\n').filter((word) => word !== '')
}

describe('completion of bash', () => {
  test('knows the commands', async () => {
    expect(await offered('do')).toEqual(['doctor'])
    expect(await offered('')).toEqual(
      expect.arrayContaining(['doctor', 'plan', 'apply', 'show', 'watch', 'explain', 'trace', 'drain', 'cleanup', 'completion'])
    )
  })

  test('knows options and their values', async () => {
    expect(await offered('apply', '--at')).toEqual(['--atomic'])
    expect(await offered('apply', '--mode', 'ip')).toEqual(['ipvs', 'iptables'])
    expect(await offered('apply', '-o', 'y')).toEqual(['yaml'])
    expect(await offered('completion', 'z')).toEqual(['zsh'])
  })

  test('offers files where a file is wanted', async () => {
    expect(await offered('plan', 'netplane.b')).toEqual(['netplane.bash'])
    expect(await offered('show', 'netplane.b')).toEqual([])
  })
})

test.each([
  ['zsh', '#compdef netplane', "'--mode[the mode that is shown; default\\: all of them]:value:(nftables ipvs iptables)'"],
  ['fish', "complete -c netplane -n '__fish_use_subcommand' -a doctor", "-l mode -x -a 'nftables ipvs iptables'"]
])('there is completion for %s', async (shell, ...parts) => {
  const { status, stdout } = await command(['completion', shell])
  expect(status).toBe(0)
  for (const part of parts) expect(stdout).toContain(part)
})

test('another shell is refused', async () => {
  const { status, stderr } = await command(['completion', 'tcsh'])
  expect({ status, stderr }).toEqual({
    status: 2,
    stderr: "netplane: command-argument value 'tcsh' is invalid for argument 'shell'. Allowed choices are bash, zsh, fish.\n"
  })
})
