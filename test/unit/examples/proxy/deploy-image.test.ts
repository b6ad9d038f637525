import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { writeArchive } from '../../../../examples/proxy/deploy/image/archive.mjs'
import { findLibraries, parseLibraries } from '../../../../examples/proxy/deploy/image/libraries.mjs'
import { makeFolder } from '../../../support/manifests.js'

const program = path.resolve(import.meta.dirname, '../../../../examples/proxy/deploy/image.mjs')

describe('the libraries of a program', () => {
  it('are those that ldd finds, and the loader', () => {
    const text = `\tlinux-vdso.so.1 (0x00007ffd3b5f2000)
\tlibstdc++.so.6 => /lib/x86_64-linux-gnu/libstdc++.so.6 (0x00007f0b7ac00000)
\t/lib64/ld-linux-x86-64.so.2 (0x00007f0b7aef8000)
`
    expect(parseLibraries('/usr/bin/node', text)).toEqual(['/lib/x86_64-linux-gnu/libstdc++.so.6', '/lib64/ld-linux-x86-64.so.2'])
  })

  it('are named where they are missing', () => {
    expect(() => parseLibraries('/usr/bin/node', '\tlibatomic.so.1 => not found\n\tlibc.so.6 => /lib/libc.so.6 (0x00007f0b)\n')).toThrow(
      '/usr/bin/node needs libraries that this machine has not: libatomic.so.1'
    )
    expect(() => findLibraries(['/nowhere/node'])).toThrow(/^ldd \/nowhere\/node: .*No such file/)
  })
})

describe('an archive of an image', () => {
  it('is the same whenever it is made, and says how a container is started', async () => {
    const folder = await makeFolder()
    const root = path.join(folder, 'root')
    mkdirSync(path.join(root, 'app'), { recursive: true })
    writeFileSync(path.join(root, 'app', 'proxy.js'), '// a proxy\n')
    const write = (name: string): Buffer => {
      const archive = path.join(folder, name)
      writeArchive({ root, archive, name: 'localhost/a:1', settings: { Entrypoint: ['/usr/bin/node'] } })
      return readFileSync(archive)
    }
    const first = write('first.tar')
    writeFileSync(path.join(root, 'app', 'proxy.js'), '// a proxy\n')
    expect(write('second.tar').equals(first)).toBe(true)

    const show = (name: string): string => execFileSync('tar', ['-xOf', path.join(folder, 'first.tar'), `./${name}`], { encoding: 'utf8' })
    const blob = (digest: string): string => show(`blobs/${digest.replace(':', '/')}`)
    const [manifest] = (JSON.parse(show('index.json')) as { manifests: { digest: string; annotations: object }[] }).manifests
    expect(manifest!.annotations).toEqual({
      'org.opencontainers.image.ref.name': 'localhost/a:1',
      'io.containerd.image.name': 'localhost/a:1'
    })
    const { config } = JSON.parse(blob(manifest!.digest)) as { config: { digest: string } }
    expect(JSON.parse(blob(config.digest))).toMatchObject({ os: 'linux', config: { Entrypoint: ['/usr/bin/node'] } })
  })
})

describe('the program that makes an image', () => {
  const make = (env: NodeJS.ProcessEnv, ...args: string[]): { status: number | null; stderr: string } => {
    const { status, stderr } = spawnSync(process.execPath, [program, ...args], { env, encoding: 'utf8' })
    return { status, stderr }
  }

  it('names what is wrong in a command line', () => {
    expect(make(process.env, '--builder', 'magic')).toEqual({ status: 1, stderr: '--builder magic: podman or none is wanted\n' })
    expect(make(process.env, '--bilder', 'none').stderr).toMatch(/^Unknown option '--bilder'/)
  })

  it('names the programs that are missing', async () => {
    const folder = await makeFolder()
    const run = (...args: string[]): string => make({ PATH: folder }, '--output', path.join(folder, 'image'), ...args).stderr
    expect(run()).toBe('ldd is missing, which says what libraries Node.js needs (Debian: libc-bin)\n')
  })
})
