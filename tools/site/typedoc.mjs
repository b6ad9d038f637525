// The reference of all that is exported, by typedoc. What typedoc warns of is an error.
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { Application } from 'typedoc'

/** Options without fields, of which nothing refers to the name. */
const EMPTY = new Set(['NotrackOptions', 'TraceOptions'])

/** Options of matches and targets of iptables: they are reached by `IptablesMatchOptions['tcp']`, and have common names. */
function partsOfOptions(root) {
  const text = readFileSync(path.join(root, 'src/iptables/rule/known.ts'), 'utf8')
  const names = [...text.matchAll(/^ {2}readonly \w+: (\w+)$/gm)].map(([, name]) => name)
  return [...new Set(['SetNames', ...names])].filter((name) => !EMPTY.has(name))
}

/** What the entry points are imported by, by the names of their files. */
const entries = { index: 'netplane', nftables: 'netplane/nftables', testing: 'netplane/testing' }

const pages = {
  plugin: ['typedoc-plugin-markdown'],
  entryFileName: 'index.md',
  hidePageHeader: true,
  hideBreadcrumbs: true,
  useHTMLEncodedBrackets: true,
  sanitizeComments: true,
  parametersFormat: 'table',
  propertyMembersFormat: 'list',
  githubPages: false
}

/**
 * Reads the sources of the entry points and says what typedoc warns of, on standard error; writes the reference where a folder is given.
 * @param {string} root of the repository
 * @param {string | undefined} folder
 * @returns {Promise<boolean>} whether nothing was wrong
 */
export async function reference(root, folder) {
  const application = await Application.bootstrapWithPlugins({
    name: 'API',
    intentionallyNotExported: partsOfOptions(root),
    entryPoints: Object.keys(entries).map((name) => path.join(root, `src/${name}.ts`)),
    tsconfig: path.join(root, 'tsconfig.json'),
    // The compiler's own check is `npm run lint:types`.
    skipErrorChecking: true,
    excludeInternal: true,
    // Where a checkout has no remote, links to lines would be a warning.
    disableSources: true,
    readme: 'none',
    logLevel: 'Warn',
    validation: { notExported: true, invalidLink: true, invalidPath: true, rewrittenLink: true },
    ...(folder === undefined ? {} : { ...pages, out: folder })
  })
  const project = await application.convert()
  if (project === undefined) return false
  for (const module of project.children) module.name = entries[module.name]
  application.validate(project)
  const isClean = () => !application.logger.hasErrors() && !application.logger.hasWarnings()
  if (!isClean() || folder === undefined) return isClean()
  await application.generateOutputs(project)
  return isClean()
}
