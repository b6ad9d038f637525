// Compares the public types with the committed report (docs/api), or with --write renews it. An exported name or member without a
// documentation comment, and a type that is used in public but not exported, are errors.
import { readdirSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'
import { Extractor, ExtractorConfig, ExtractorLogLevel } from '@microsoft/api-extractor'

const root = path.resolve(import.meta.dirname, '..')
const entries = { netplane: 'index', 'netplane-testing': 'testing' }
const error = { logLevel: ExtractorLogLevel.Error, addToApiReportFile: false }
const none = { logLevel: ExtractorLogLevel.None, addToApiReportFile: false }

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
        extractorMessageReporting: { default: error, 'ae-missing-release-tag': none },
        tsdocMessageReporting: { default: error }
      }
    }
  })
  const result = Extractor.invoke(config, {
    localBuild: write,
    messageCallback: (message) => {
      message.handled = true
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
if (readdirSync(path.join(root, 'docs/api')).length !== results.length) throw new Error('docs/api holds a report of no entry point')
process.exitCode = results.every(Boolean) ? 0 : 1
