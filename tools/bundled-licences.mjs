// Whoever passes on a library passes on its licence: those of all that is bundled into a file are written beside it.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'

/** The folder of the package that a file belongs to, or undefined where it is our own. */
function packageFolder(file) {
  const parts = file.split('/')
  const at = parts.lastIndexOf('node_modules')
  if (at < 0) return undefined
  return parts.slice(0, at + (parts[at + 1].startsWith('@') ? 3 : 2)).join('/')
}

function licenceOf(folder) {
  const { name, version, license } = JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8'))
  const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry))
  if (file === undefined) throw new Error(`${name} ${version} has no file with its licence`)
  return `${name} ${version} (${license})\n\n${readFileSync(path.join(folder, file), 'utf8').trim()}\n`
}

/**
 * A plugin of esbuild that writes the licences of all bundled packages into a file.
 * @param {string} target
 * @returns {import('esbuild').Plugin}
 */
export function bundledLicences(target) {
  return {
    name: 'bundled-licences',
    setup(build) {
      build.initialOptions.metafile = true
      build.onEnd(({ metafile }) => {
        if (metafile === undefined) return
        const folders = new Set(Object.keys(metafile.inputs).map(packageFolder))
        folders.delete(undefined)
        mkdirSync(path.dirname(target), { recursive: true })
        writeFileSync(
          target,
          [...folders]
            .sort()
            .map(licenceOf)
            .join(`\n${'-'.repeat(80)}\n\n`)
        )
      })
    }
  }
}
