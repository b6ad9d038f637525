// The pages that the site is made of, in a folder: README.md and docs, and all files of the repository that links lead to from there.
import { cpSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { linksOf, withTargets } from './links.mjs'

const PICTURES = new Set(['.svg', '.png'])
const LANGUAGES = {
  '.mjs': 'js',
  '.js': 'js',
  '.ts': 'ts',
  '.json': 'json',
  '.yaml': 'yaml',
  '.yml': 'yaml',
  '.sh': 'sh',
  '.cc': 'cpp',
  '.h': 'cpp'
}

/** What kind of thing a link leads to. */
function kindOf(place) {
  if (statSync(place).isDirectory()) return 'folder'
  const extension = path.extname(place)
  if (extension === '.md') return 'page'
  return PICTURES.has(extension) ? 'picture' : 'source'
}

/** The page that stands for a path of the repository. */
const pageNames = {
  page: (file) => (file === 'README.md' ? 'index.md' : file),
  picture: (file) => file,
  folder: (file) => path.join(file, 'index.md'),
  source: (file) => `${file}.md`
}

function sourcePage(file, text) {
  return `# ${file}\n\n\`\`\`\`${LANGUAGES[path.extname(file)] ?? 'text'}\n${text.trimEnd()}\n\`\`\`\`\n`
}

function folderPage(file, names) {
  return `# ${file}\n\n${names.map((name) => `- [${name}](${name})\n`).join('')}`
}

/** The Markdown of a path of the repository. */
function textOf(root, file, kind) {
  const place = path.join(root, file)
  if (kind === 'page') return readFileSync(place, 'utf8')
  if (kind === 'source') return sourcePage(file, readFileSync(place, 'utf8'))
  const entries = readdirSync(place, { withFileTypes: true })
  return folderPage(
    file,
    entries.map((entry) => entry.name).filter((name) => !name.startsWith('.'))
  )
}

/**
 * Copies pages into a folder, and makes pages of the sources and folders that they lead to.
 * @param {string} root of the repository
 * @param {string} target a folder, which is made anew
 * @returns {string[]} the paths of the repository that have a page
 */
export function collectPages(root, target) {
  rmSync(target, { recursive: true, force: true })
  const docs = readdirSync(path.join(root, 'docs')).filter((name) => name.endsWith('.md'))
  const waiting = ['README.md', ...docs.map((name) => `docs/${name}`)]
  const known = new Set(waiting)
  for (const file of waiting) {
    const kind = kindOf(path.join(root, file))
    const page = path.join(target, pageNames[kind](file))
    mkdirSync(path.dirname(page), { recursive: true })
    if (kind === 'picture') {
      cpSync(path.join(root, file), page)
      continue
    }
    const folder = kind === 'folder' ? file : path.dirname(file)
    const text = textOf(root, file, kind)
    const places = new Map()
    for (const link of linksOf(text).filter((one) => one.file !== '')) {
      const next = path.join(folder, link.file)
      const to = pageNames[kindOf(path.join(root, next))](next)
      places.set(
        link.target,
        `${link.file.startsWith('.') ? '' : './'}${path.relative(folder, to)}${link.anchor === undefined ? '' : `#${link.anchor}`}`
      )
      if (!known.has(next)) waiting.push(next)
      known.add(next)
    }
    writeFileSync(
      page,
      withTargets(text, (one) => places.get(one) ?? one)
    )
  }
  return [...known]
}
