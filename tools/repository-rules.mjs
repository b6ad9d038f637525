// What must not be in any committed file: a registry's address, or a path that exists on one machine only.
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'

const root = path.resolve(import.meta.dirname, '..')
const files = execFileSync('git', ['-c', `safe.directory=${root}`, 'ls-files', '-z'], { cwd: root, encoding: 'utf8' })
  .split('\0')
  .filter(Boolean)
const problems = []
const lock = JSON.parse(readFileSync(path.join(root, 'package-lock.json'), 'utf8'))
for (const [name, entry] of Object.entries(lock.packages)) {
  if (entry.resolved !== undefined)
    problems.push(`package-lock.json: ${name} records its address: npm install --omit-lockfile-registry-resolved`)
}
for (const file of files) {
  const text = readFileSync(path.join(root, file), 'latin1')
  const home = /(?:^|[\s"'`=(:])\/(?:home|Users)\/[A-Za-z0-9_-]+\//m.exec(text)
  if (home !== null) problems.push(`${file}: a path of one machine: ${home[0].trim()}`)
}
if (files.length === 0) problems.push('git lists no file')
for (const problem of problems) console.error(problem)
process.exitCode = problems.length === 0 ? 0 : 1
