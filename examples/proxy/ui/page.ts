import { createHash } from 'node:crypto'
import { SCRIPT } from './script.js'

const STYLE = `
:root { color-scheme: light dark; --line: color-mix(in srgb, currentColor 20%, transparent); font: 14px/1.45 system-ui, sans-serif }
body { margin: 0 auto; max-width: 80rem; padding: 1rem }
h1 { font-size: 1.3rem; margin: 0 }
h2 { font-size: 1rem; margin: 1.2rem 0 .3rem }
header { align-items: baseline; display: flex; flex-wrap: wrap; gap: 1rem }
dl { display: flex; flex-wrap: wrap; gap: .6rem; margin: 1rem 0 }
dl div { border: 1px solid var(--line); border-radius: 6px; min-width: 7rem; padding: .4rem .8rem }
dt { font-size: .8rem; opacity: .7 }
dd { font-size: 1.3rem; font-variant-numeric: tabular-nums; margin: 0 }
small { opacity: .7 }
table { border-collapse: collapse; width: 100% }
th { text-align: left }
th, td { border-bottom: 1px solid var(--line); padding: .35rem .6rem .35rem 0; vertical-align: top }
#syncs { align-items: flex-end; display: flex; gap: 2px; height: 40px }
#syncs i { background: #4a8; display: block; width: 6px }
#syncs i.bad { background: #c44 }
.good { color: #2a7 }
.bad { color: #c44 }
.endpoint { align-items: center; display: grid; gap: .5rem; grid-template-columns: 12rem 10rem auto }
.endpoint.draining, .endpoint.serving { opacity: .6 }
.track { background: var(--line); border-radius: 3px; height: 8px; overflow: hidden }
.track b { background: #48c; display: block; height: 100%; width: 0 }
nav { align-items: center; display: flex; flex-wrap: wrap; gap: .6rem; margin: .4rem 0 }
#find { min-width: 16rem; padding: .25rem }
#cut { background: #c44; border-radius: 4px; color: #fff; padding: .2rem .6rem }
`

const card = (id: string, words: string): string => `<div><dt>${words}</dt><dd id="${id}">–</dd></div>`
const part = (id: string, title: string): string => `<section id="${id}-part" hidden><h2>${title}</h2><ul id="${id}"></ul></section>`

/** The page, with all that belongs to it. */
export const PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>netplane proxy</title>
<style>${STYLE}</style>
</head>
<body>
<header><h1>Services of <span id="node">this node</span></h1><span>mode <b id="mode">–</b></span><span id="health">–</span><span id="cut" hidden>The proxy does not answer.</span></header>
<dl>${card('services', 'services')}${card('quarantine-count', 'in quarantine')}${card('drifts', 'drift repaired')}${card('draining-count', 'endpoints draining')}</dl>
<h2>Syncs</h2>
<div id="syncs"></div><small>Last: <span id="last-sync">–</span></small>
${part('quarantine', 'In quarantine')}${part('draining', 'Draining')}${part('leaving', 'A mode that was left')}
<h2>Services</h2>
<nav><input id="find" type="search" placeholder="a name, an address" aria-label="Find services"><button id="previous">Previous</button><button id="next">Next</button><span id="place"></span></nav>
<p id="uncounted" hidden><small>New connections are not counted: option --counters counts them.</small></p>
<table><thead><tr><th>Service</th><th>Addresses</th><th>Endpoints, and new connections to each</th></tr></thead><tbody id="rows"></tbody></table>
<script>${SCRIPT}</script>
</body>
</html>
`

const hash = (text: string): string => `'sha256-${createHash('sha256').update(text).digest('base64')}'`

/** Nothing is loaded, run or asked but what is in the page, and this server. Widths of bars are set by the script, which no policy of styles concerns. */
export const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  `script-src ${hash(SCRIPT)}`,
  `style-src ${hash(STYLE)}`,
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'"
].join('; ')
