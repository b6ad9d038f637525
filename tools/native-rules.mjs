// The rules for native/ that no compiler checks: outside native/addon it is a plain C++ library (no Node headers), and files stay short.
import { readFileSync, readdirSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'

const maxLines = 350
const root = path.resolve(import.meta.dirname, '..')
const files = readdirSync(path.join(root, 'native'), { recursive: true })
  .map((file) => path.join('native', String(file)))
  .filter((file) => /\.(cc|h|c)$/.test(file))
const problems = []
for (const file of files) {
  const lines = readFileSync(path.join(root, file), 'utf8').split('\n')
  if (lines.length - 1 > maxLines) problems.push(`${file}: ${lines.length - 1} lines, at most ${maxLines} are allowed`)
  if (file.startsWith(path.join('native', 'addon') + path.sep)) continue
  for (const [index, line] of lines.entries()) {
    const header = /^\s*#\s*include\s*[<"]([^>"]+)[>"]/.exec(line)?.[1]
    if (header === undefined) continue
    if (/^(napi|node|node_api|uv|v8)(-inl)?\.h$|^(node|uv|v8)\//.test(header)) {
      problems.push(`${file}:${index + 1}: includes ${header}, which only native/addon may`)
    }
    if (header.startsWith('addon/')) problems.push(`${file}:${index + 1}: includes ${header}: native/addon is the layer above`)
    if (header.startsWith('..') || header.startsWith('./'))
      problems.push(`${file}:${index + 1}: include paths are relative to native/, not '${header}'`)
  }
}
if (files.length === 0) problems.push('no C++ file under native/')
for (const problem of problems) console.error(problem)
process.exitCode = problems.length === 0 ? 0 : 1
