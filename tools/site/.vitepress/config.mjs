import { cpSync, mkdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { defineConfig } from 'vitepress'
import { slug } from '../links.mjs'
import { sidebar } from '../sidebar.mjs'

const root = path.resolve(import.meta.dirname, '../../..')
const source = path.join(root, 'build/site-source')
const outDir = path.join(root, 'build/site')

/** The reference has hundreds of pages: the page of an entry point lists them, since all that stands in the sidebar stands in each page. */
const reference = [
  { text: 'netplane', link: '/api/netplane/' },
  { text: 'netplane/nftables', link: '/api/netplane/nftables/' },
  { text: 'netplane/testing', link: '/api/netplane/testing/' }
]

/** Guides come before the reference, and both before measurements and sources. It runs in the browser, by itself. */
const boostDocument = (id) => (/^\/(docs\/|#|$)/.test(id) ? 4 : id.startsWith('/api/') ? 1 : 0.5)

export default defineConfig({
  title: 'netplane',
  description: 'The Linux service data plane from Node.js, by netlink alone',
  // A browser asks for a picture of its own accord, unless it is told that there is none.
  head: [['link', { rel: 'icon', href: 'data:,' }]],
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
    search: { provider: 'local', options: { miniSearch: { searchOptions: { boostDocument } } } },
    outline: [2, 3],
    nav: [
      { text: 'Guide', link: '/' },
      { text: 'API', link: '/api/' }
    ],
    sidebar: { '/': sidebar, '/api/': reference }
  }
})
