// Checks (or with --write applies) the C++ format. The version is pinned, as each version of clang-format formats a little differently.
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'

const program = 'clang-format-14'
const root = path.resolve(import.meta.dirname, '..')
const folders = ['native', 'bench', 'tools']
const files = folders
  .flatMap((folder) => readdirSync(path.join(root, folder), { recursive: true }).map((file) => path.join(folder, String(file))))
  .filter((file) => /\.(cc|h|c)$/.test(file) && !file.includes('node_modules') && !file.includes(`${path.sep}build`))
if (files.length === 0) throw new Error(`no C++ file under ${folders.join(', ')}`)
const mode = process.argv.includes('--write') ? ['-i'] : ['--dry-run', '--Werror']
const { status, error } = spawnSync(program, [...mode, ...files], { cwd: root, stdio: 'inherit' })
if (error) throw new Error(`${program} cannot be started (Debian package ${program})`, { cause: error })
process.exitCode = status ?? 1
