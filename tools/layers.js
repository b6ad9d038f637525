import path from 'node:path'

/**
 * The import rule: which layer may import which (each also imports itself). A file's layer is its folder under src/; the files at the top of src/ are the entry
 * points, and each is a layer of its own.
 */
const families = ['ipvs', 'nftables', 'conntrack', 'route', 'sockets', 'ipset']
const common = ['core', 'native']
const allowed = {
  // The loader throws errors of the core; the core opens sockets.
  native: ['core'],
  core: ['native'],
  ...Object.fromEntries(families.map((family) => [family, common])),
  iptables: [...common, 'nftables', 'ipset'],
  plane: [...common, ...families, 'iptables'],
  cli: [...common, ...families, 'iptables', 'plane'],
  testing: [...common, ...families, 'iptables', 'plane'],
  index: [...common, ...families, 'iptables', 'plane'],
  'index.nftables': [...common, 'nftables'],
  'index.testing': ['core', 'testing']
}

/** Files of src/core, and of src/native, that the other of the two folders may import. */
const between = { core: /^core\/(errors|errno|version)\./, native: /^native\/index\./ }

/** Which folder of src/plane may import which. The back ends know the core, some have tables, and none knows another; carriers are planes of one of them; files beside the folders belong to all. */
const planeFolders = {
  core: [],
  flows: ['core'],
  state: ['core'],
  switch: ['core'],
  tables: ['core'],
  nftables: ['core', 'tables'],
  ipvs: ['core', 'tables'],
  iptables: ['core'],
  userspace: ['core', 'tables'],
  carriers: ['core', 'switch', 'tables', 'userspace']
}

/** @param {string} file relative to src/, with forward slashes */
function planeFolderOf(file) {
  const [layer, folder, ...rest] = file.split('/')
  return layer === 'plane' && rest.length > 0 ? folder : undefined
}

/** @param {string} file relative to src/, with forward slashes */
export function layerOf(file) {
  const [first, ...rest] = file.split('/')
  if (rest.length > 0) return first
  const name = first.replace(/\.[cm]?[jt]s$/, '')
  return name === 'index' ? name : `index.${name}`
}

/**
 * Why a file must not import a specifier, or undefined when it may.
 * @param {string} root of the repository
 * @param {string} importer absolute path
 * @param {string} specifier as written
 */
export function forbidden(root, importer, specifier) {
  const relative = path.relative(root, importer).split(path.sep).join('/')
  if (relative.startsWith('examples/') && specifier.includes('/src/')) return `examples import the package by its name, not '${specifier}'`
  if (!relative.startsWith('src/') || !specifier.startsWith('.')) return undefined
  const target = path
    .relative(path.join(root, 'src'), path.resolve(path.dirname(importer), specifier))
    .split(path.sep)
    .join('/')
  if (target.startsWith('..')) return undefined
  const [fromFolder, toFolder] = [planeFolderOf(relative.slice('src/'.length)), planeFolderOf(target)]
  if (fromFolder !== undefined && toFolder !== undefined && fromFolder !== toFolder) {
    if (!(fromFolder in planeFolders)) return `'src/plane/${fromFolder}' is no part of the planes: tools/layers.js does not know it`
    if (!planeFolders[fromFolder].includes(toFolder))
      return `'src/plane/${fromFolder}' must not import 'src/plane/${toFolder}' (tools/layers.js)`
  }
  const from = layerOf(relative.slice('src/'.length))
  const to = layerOf(target)
  if (from === to) return undefined
  if (!(from in allowed)) return `'src/${from}' is no layer: tools/layers.js does not know it`
  if (from + to === 'corenative' || from + to === 'nativecore') {
    return between[to].test(target) ? undefined : `'src/${from}' must not import '${target}' (tools/layers.js)`
  }
  return allowed[from].includes(to) ? undefined : `layer '${from}' must not import layer '${to}' (tools/layers.js)`
}

/** The same as an ESLint rule. */
export const layersRule = {
  meta: { type: 'problem', schema: [], docs: { description: 'keep the layers apart' } },
  create(context) {
    const check = (node) => {
      if (typeof node.source?.value !== 'string') return
      const message = forbidden(context.cwd, context.filename, node.source.value)
      if (message !== undefined) context.report({ node, message })
    }
    return { ImportDeclaration: check, ImportExpression: check, ExportNamedDeclaration: check, ExportAllDeclaration: check }
  }
}
