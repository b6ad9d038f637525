// Compares the public types with the committed report (docs/api), or with --write renews it. An exported name, or a method of one, without a
// documentation comment is an error. So is a type that public ones refer to and that no entry point exports.
import { readFileSync, readdirSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'
import { Extractor, ExtractorConfig, ExtractorLogLevel } from '@microsoft/api-extractor'

const root = path.resolve(import.meta.dirname, '..')
const entries = { netplane: 'index', 'netplane-nftables': 'nftables', 'netplane-testing': 'testing' }
const error = { logLevel: ExtractorLogLevel.Error, addToApiReportFile: false }
const none = { logLevel: ExtractorLogLevel.None, addToApiReportFile: false }

/** What says all by its name. */
const selfEvident = /"(\[Symbol\.(asyncDispose|asyncIterator|iterator|hasInstance)\]|constructor|toString|toJSON|next|return)"/

/** Whether a missing comment is missed: of all names at the top, and of the methods of classes. Of others their authors judge. */
function needsComment({ text, sourceFilePath, sourceFileLine }) {
  const lines = readFileSync(path.resolve(root, sourceFilePath), 'utf8').split('\n').slice(0, sourceFileLine)
  const line = lines.at(-1)
  if (!/^\s/.test(line)) return true
  const owner = lines.findLast((above) => /^(export |declare )*(abstract )?(class|interface|type|const|function) /.test(above))
  return /\bclass /.test(owner) && /^\s+[^:?]*\(/.test(line) && !selfEvident.test(text)
}

/** Every name that an entry point exports. */
const exported = new Set(
  Object.values(entries).flatMap((entry) => {
    const lists = readFileSync(path.join(root, 'dist', `${entry}.d.ts`), 'utf8').matchAll(/^export \{([^}]*)\}/gm)
    return [...lists].flatMap(([, list]) =>
      list.split(',').map((name) =>
        name
          .trim()
          .replace(/^type /, '')
          .replace(/^.* as /, '')
      )
    )
  })
)

/** What the options of matches and targets of iptables are made of: they are reached by `IptablesMatchOptions['tcp']`, and have common names. */
const partsOfOptions = new Set(
  readdirSync(path.join(root, 'src/iptables/extensions'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .flatMap(({ parentPath, name }) => [
      ...readFileSync(path.join(parentPath, name), 'utf8').matchAll(/^(?:export )?(?:interface|type|const) (\w+)/gm)
    ])
    .map(([, name]) => name)
)

/** Whether a type that is used but not exported is missed: one entry point may use what another one exports. */
function needsExport({ text }) {
  const [, name] = /The symbol "(\w+)/.exec(text)
  const plain = name.replace(/_\d+$/, '')
  return !exported.has(plain) && !partsOfOptions.has(plain)
}

/** Reports one entry point; returns whether it is as committed. */
function report(name, entry, write) {
  const config = ExtractorConfig.prepare({
    configObjectFullPath: path.join(root, 'api-extractor.json'),
    packageJsonFullPath: path.join(root, 'package.json'),
    configObject: {
      projectFolder: root,
      mainEntryPointFilePath: path.join(root, 'dist', `${entry}.d.ts`),
      compiler: {
        overrideTsconfig: {
          compilerOptions: {
            target: 'ES2023',
            lib: ['ES2023', 'ESNext.Disposable'],
            module: 'NodeNext',
            moduleResolution: 'NodeNext',
            types: ['node'],
            strict: true
          },
          files: [`dist/${entry}.d.ts`]
        }
      },
      apiReport: {
        enabled: true,

        reportFileName: name,
        reportFolder: path.join(root, 'docs/api'),
        reportTempFolder: path.join(root, 'temp')
      },
      docModel: { enabled: false },
      dtsRollup: { enabled: false },
      tsdocMetadata: { enabled: false },
      newlineKind: 'lf',
      messages: {
        compilerMessageReporting: { default: error },
        extractorMessageReporting: {
          default: error,
          'ae-missing-release-tag': none,

          // The smaller entry points are documented with links into the main one.
          'ae-unresolved-link': entry === 'index' ? error : none
        },
        // Comments are written for editors, which read the looser syntax of JSDoc.
        tsdocMessageReporting: { default: none }
      }
    }
  })
  const result = Extractor.invoke(config, {
    localBuild: write,
    messageCallback: (message) => {
      message.handled = true
      if (message.messageId === 'ae-undocumented' && !needsComment(message)) message.logLevel = 'none'
      if (message.messageId === 'ae-forgotten-export' && !needsExport(message)) message.logLevel = 'none'
      const shown = message.logLevel === 'error' || message.logLevel === 'warning'
      if (shown) console.error(`${message.sourceFilePath ?? name}:${message.sourceFileLine ?? 0}: ${message.messageId}: ${message.text}`)
    }
  })
  if (result.apiReportChanged && !write)
    console.error(`docs/api/${name}.api.md is not what the types say: look at the change, then npm run api`)
  return result.succeeded && result.errorCount === 0
}

const write = process.argv.includes('--write')
const results = Object.entries(entries).map(([name, entry]) => report(name, entry, write))
const unknown = readdirSync(path.join(root, 'docs/api')).filter((file) => !Object.keys(entries).includes(path.basename(file, '.api.md')))
if (unknown.length > 0) throw new Error(`docs/api holds reports of no entry point: ${unknown.join(', ')}`)
process.exitCode = results.every(Boolean) ? 0 : 1
