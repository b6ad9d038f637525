// Links of Markdown pages, as GitHub reads them: the check of all pages, and what the site needs of it.
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'

/** Blocks and spans of code: what looks like a link in them is none. */
const CODE = /^(`{3,}|~{3,})[^\n]*\n[^]*?^\1[^\n]*$|(`+)(?!`)[^]*?(?<!`)\2(?!`)/gm

/** `[text](target)` and `![text](target)`. */
const LINK = /(!?\[(?:[^\][]|\[[^\]]*\])*\])\(([^()\s]+(?:\([^()\s]*\)[^()\s]*)*)\)/g

/** Spaces in place of code, so that all else stays where it is. */
const withoutCode = (text) => text.replace(CODE, (code) => code.replace(/[^\n]/g, ' '))

/**
 * What GitHub makes of the text of a heading: the anchor that leads to it.
 * @param {string} heading
 * @returns {string}
 */
export function slug(heading) {
  return heading
    .trim()
    .toLowerCase()
    .replace(/[^\p{L}\p{M}\p{N}\p{Pc} -]/gu, '')
    .replaceAll(' ', '-')
}

/**
 * The anchors of a page: those of its headings, numbered where a heading is there again.
 * @param {string} text
 * @returns {Set<string>}
 */
export function anchorsOf(text) {
  const anchors = new Set()
  const blocks = /^(`{3,}|~{3,})[^\n]*\n[^]*?^\1[^\n]*$/gm
  for (const [, heading] of text.replace(blocks, '').matchAll(/^#{1,6} +(.*)$/gm)) {
    const plain = slug(heading.replace(LINK, (_, name) => name.slice(1, -1)))
    let anchor = plain
    for (let number = 1; anchors.has(anchor); number++) anchor = `${plain}-${number}`
    anchors.add(anchor)
  }
  return anchors
}

/**
 * The links of a page to files of the repository and to headings, without those to the web.
 * @param {string} text
 * @returns {{ target: string, file: string, anchor: string | undefined, line: number }[]} `file` is '' for the page itself
 */
export function linksOf(text) {
  const found = []
  const plain = withoutCode(text)
  for (const match of plain.matchAll(LINK)) {
    const target = match[2]
    if (/^[a-z][a-z+.-]*:/i.test(target)) continue
    const [file, anchor] = target.split('#', 2)
    found.push({ target, file, anchor, line: plain.slice(0, match.index).split('\n').length })
  }
  return found
}

/**
 * A page with other targets of its links; those in code stay.
 * @param {string} text
 * @param {(target: string) => string} change
 * @returns {string}
 */
export function withTargets(text, change) {
  const plain = withoutCode(text)
  let result = ''
  let from = 0
  for (const match of plain.matchAll(LINK)) {
    const at = match.index + match[1].length + 1
    result += text.slice(from, at) + change(match[2])
    from = at + match[2].length
  }
  return result + text.slice(from)
}

/**
 * What is wrong with the links of a page.
 * @param {string} root of the repository
 * @param {string} page its path from there
 * @param {string} [text] of the page, where it is not that of the file
 * @returns {string[]} `docs/ipvs.md:12: no file ipvsadm.md`
 */
export function problemsOf(root, page, text = readFileSync(path.join(root, page), 'utf8')) {
  const problem = ({ file, anchor }) => {
    if (file.startsWith('/')) return `${file} is not relative`
    const target = path.join(path.dirname(page), file)
    const place = path.join(root, file === '' ? page : target)
    if (target.startsWith('..')) return `${file} is outside of the repository`
    if (file !== '' && !existsSync(place)) return `no file ${file}`
    if (anchor === undefined) return undefined
    if (!place.endsWith('.md')) return `${file} has no headings: #${anchor}`
    return anchorsOf(file === '' ? text : readFileSync(place, 'utf8')).has(anchor) ? undefined : `no heading #${anchor} in ${file || page}`
  }
  return linksOf(text).flatMap((link) => {
    const found = problem(link)
    return found === undefined ? [] : [`${page}:${link.line}: ${found}`]
  })
}
