import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { stages } from '../../run/stages.mjs'

const root = path.resolve(import.meta.dirname, '../../..')
const folder = path.join(root, '.github')

interface Job {
  readonly strategy?: { readonly matrix?: Readonly<Record<string, readonly unknown[]>> }
  readonly steps: readonly { readonly run?: string }[]
}

const workflows = readdirSync(path.join(folder, 'workflows')).map((file) => ({
  file,
  jobs: Object.values((parse(readFileSync(path.join(folder, 'workflows', file), 'utf8')) as { jobs: Record<string, Job> }).jobs)
}))

/** The commands of a job, for every value of its matrix. */
function commandsOf({ strategy, steps }: Job): string[] {
  const commands = steps.flatMap(({ run }) => run ?? [])
  const variables = Object.entries(strategy?.matrix ?? {})
  return variables.reduce<string[]>(
    (all, [name, values]) => all.flatMap((command) => values.map((value) => command.replaceAll(`\${{ matrix.${name} }}`, String(value)))),
    commands
  )
}

describe('.github', () => {
  it.each(workflows)('workflows/$file: runs stages and scripts that there are', ({ jobs }) => {
    const { scripts } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as { scripts: Record<string, string> }
    const commands = jobs.flatMap(commandsOf)
    const named = commands.flatMap((command) => /^node test\/run\.mjs (.*)$/m.exec(command)?.[1]?.split(' ') ?? [])
    const run = commands.flatMap((command) => /^npm run (\S+)/m.exec(command)?.[1] ?? [])
    expect(named.length + run.length).toBeGreaterThan(0)
    expect(named.filter((name) => !stages.some((stage) => stage.name === name))).toEqual([])
    expect(run.filter((name) => scripts[name] === undefined)).toEqual([])
  })

  it('publishes folders that npm takes for folders, and only when all of them are made', () => {
    const commands = workflows.find(({ file }) => file === 'release.yml')!.jobs.flatMap(commandsOf)
    const published = commands.flatMap((command) => /^npm publish ([^-\s]\S*)/m.exec(command)?.[1] ?? [])
    expect(published).toEqual(['./build/netplane-proxy'])
    const first = commands.findIndex((command) => command.startsWith('npm publish'))
    expect(commands.indexOf('npm run package:proxy')).toBeLessThan(first)
    expect(commands.findLastIndex((command) => command.startsWith('npm run'))).toBeLessThan(first)
  })

  it.each([
    ['v1.2.0', ''],
    ['v1.2.0-rc.1', 'NPM_CONFIG_TAG=next\n']
  ])('publishes %s by the right tag of the registry', (tag, said) => {
    const commands = workflows.find(({ file }) => file === 'release.yml')!.jobs.flatMap(commandsOf)
    const choice = commands.findIndex((command) => command.includes('NPM_CONFIG_TAG'))
    const first = commands.findIndex((command) => command.startsWith('npm publish'))
    expect(choice).toBeGreaterThanOrEqual(0)
    expect(choice).toBeLessThan(first)
    const folder = mkdtempSync(path.join(tmpdir(), 'netplane-workflow-'))
    try {
      const file = path.join(folder, 'env')
      writeFileSync(file, '')
      execFileSync('sh', ['-e', '-c', commands[choice]!], { env: { ...process.env, GITHUB_REF_NAME: tag, GITHUB_ENV: file } })
      expect(readFileSync(file, 'utf8')).toBe(said)
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  it('has forms of issues that can be read', () => {
    const forms = readdirSync(path.join(folder, 'ISSUE_TEMPLATE')).filter((file) => file !== 'config.yml')
    expect(forms.length).toBeGreaterThan(1)
    for (const file of forms) {
      const form = parse(readFileSync(path.join(folder, 'ISSUE_TEMPLATE', file), 'utf8')) as { name?: string; body?: unknown[] }
      expect(form.name).toBeDefined()
      expect(form.body?.length).toBeGreaterThan(1)
    }
  })
})
