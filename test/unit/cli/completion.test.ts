import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
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
  for (const name of ['my file.yaml', 'star*.yaml', 'starry.yaml']) await writeFile(path.join(folder, name), '')
  await mkdir(path.join(folder, 'sub'))
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
    expect(await offered('plan', 'my')).toEqual(['my file.yaml'])
    expect((await offered('plan', 'star')).sort()).toEqual(['star*.yaml', 'starry.yaml'])
    expect(await offered('plan', '--at')).toEqual([])
  })

  test('offers each argument at its place', async () => {
    const modes = ['nftables', 'ipvs', 'iptables']
    expect(await offered('switch', '')).toEqual(expect.arrayContaining(modes))
    expect(await offered('switch', 'netplane.b')).toEqual([])
    expect(await offered('switch', '--netns', 'lab', '-o', '=', 'json', 'ip')).toEqual(['ipvs', 'iptables'])
    expect(await offered('switch', 'ipvs', 'ip')).toEqual([])
    expect(await offered('switch', 'ipvs', 'netplane.b')).toEqual(['netplane.bash'])
    expect(await offered('switch', 'ipvs', '--name', 'lab', 'netplane.b')).toEqual(['netplane.bash'])
    expect(await offered('drain', 'netplane.b')).toEqual(['netplane.bash'])
    expect(await offered('drain', '-', 'netplane.b')).toEqual([])
    expect(await offered('watch', 'netplane.b')).toEqual(['netplane.bash'])
  })

  test('offers commands behind help', async () => {
    expect(await offered('help', 'sw')).toEqual(['switch'])
    expect(await offered('help', 'd')).toEqual(['doctor', 'drain'])
    expect(await offered('help', 'switch', '')).toEqual([])
  })

  test('says that files are files, so that folders end with a slash', async () => {
    const { stdout } = await command(['completion', 'bash'])
    const script = `${stdout}compopt() { echo "$@"; }; COMP_WORDS=(netplane plan s); COMP_CWORD=2; _netplane`
    expect(await run('bash', ['-c', script])).toBe('-o filenames\n')
  })

  test('offers nothing for values that nobody knows, and values behind an equals sign', async () => {
    expect(await offered('plan', '--netns', '')).toEqual([])
    expect(await offered('plan', '--name', 'm')).toEqual([])
    expect(await offered('plan', '--output', '=', 'j')).toEqual(['json'])
    expect(await offered('plan', '--output', '=')).toEqual(['text', 'wide', 'json', 'yaml'])
  })
})

test.each([
  ['zsh', '#compdef netplane', "'--mode[the mode that is shown; default\\: all of them]:value:(nftables ipvs iptables userspace)'"],
  ['fish', "complete -c netplane -n '__fish_use_subcommand' -a doctor", "-l mode -x -a 'nftables ipvs iptables'"]
])('there is completion for %s', async (shell, ...parts) => {
  const { status, stdout } = await command(['completion', shell])
  expect(status).toBe(0)
  for (const part of parts) expect(stdout).toContain(part)
})

test('fish is told of arguments by their places', async () => {
  const lines = (await command(['completion', 'fish'])).stdout.split('\n').filter((line) => line.includes('string match'))
  const find = (name: string): string[] => lines.filter((line) => line.includes(`__fish_seen_subcommand_from ${name};`))
  expect(find('switch').map((line) => /-(?:eq|ge) \d.*? -(?:f -a|F|f)/.exec(line)?.[0])).toEqual(["-eq 2' -f -a", "-ge 3' -F"])
  expect(find('explain').map((line) => /-(?:eq|ge) \d.*? -(?:f -a|F|f)/.exec(line)?.[0])).toEqual(["-eq 2' -f"])
})

test('another shell is refused', async () => {
  const { status, stderr } = await command(['completion', 'tcsh'])
  expect({ status, stderr }).toEqual({
    status: 2,
    stderr: "netplane: 'tcsh' is invalid for argument 'shell'. Allowed choices are bash, zsh, fish.\n"
  })
})
