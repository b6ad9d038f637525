import { cpSync, mkdirSync, readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { defineConfig } from 'vitepress'
import { slug } from '../links.mjs'
import { sidebar } from '../sidebar.mjs'

const root = path.resolve(import.meta.dirname, '../../..')
const source = path.join(root, 'build/site-source')
const outDir = path.join(root, 'build/site')

/** The pages of the reference of one entry point, by kind. */
function referenceOf(entry) {
  const folder = path.join(source, 'api', entry)
  const kinds = readdirSync(folder, { withFileTypes: true }).filter((one) => one.isDirectory())
  return kinds.map(({ name: kind }) => ({
    text: kind,
    collapsed: true,
    items: readdirSync(path.join(folder, kind)).map((file) => {
      const name = path.basename(file, '.md')
      return { text: name, link: `/api/${entry}/${kind}/${name}` }
    })
  }))
}

const reference = Object.entries({ index: 'netplane', nftables: 'netplane/nftables', testing: 'netplane/testing' }).map(([entry, text]) => ({
  text,
  link: `/api/${entry}/`,
  collapsed: false,
  items: referenceOf(entry)
}))

export default defineConfig({
  title: 'netplane',
  description: 'The Linux service data plane from Node.js, by netlink alone',
  srcDir: path.relative(path.join(root, 'tools/site'), source),
  outDir,
  cacheDir: path.join(root, 'node_modules/.cache/netplane-site'),
  // Larger pages are tables of measurements.
  vite: { build: { chunkSizeWarningLimit: 4000 }, publicDir: false },
  markdown: {
    anchor: { slugify: slug },
    config(md) {
      const fence = md.renderer.rules.fence
      md.renderer.rules.fence = (tokens, index, ...rest) => {
        const { info, content } = tokens[index]
        return info.trim() === 'mermaid' ? `<Drawing text="${encodeURIComponent(content)}" />` : fence(tokens, index, ...rest)
      }
    }
  },
  buildEnd() {
    const file = createRequire(import.meta.url).resolve('@mermaid-js/tiny')
    mkdirSync(outDir, { recursive: true })
    cpSync(file, path.join(outDir, 'mermaid.js'))
  },
  themeConfig: {
    search: { provider: 'local' },
    outline: [2, 3],
    nav: [
      { text: 'Guide', link: '/' },
      { text: 'API', link: '/api/' }
    ],
    sidebar: { '/': sidebar, '/api/': reference }
  }
})
