import { parseArgs } from 'node:util'

export const USAGE = `Usage: proxy --manifests FOLDER [options]

Keeps the kernel's service rules at what a folder of Kubernetes manifests (Service, EndpointSlice) says.

  --manifests FOLDER      folder of .yaml, .yml and .json files; watched
  --mode MODE             nftables (default) or ipvs
  --name NAME             name of the nftables tables, or of the dummy device (default: netplane)
  --netns NAMESPACE       network namespace: path, name or process id (default: this process's)
  --node-name NAME        this node: endpoints with this nodeName are local
  --local-sources CIDRS   comma list: connections from elsewhere are masqueraded (default: none are)
  --listen HOST:PORT      /healthz and /metrics (default: 127.0.0.1:10256; off: not at all)
  --once                  sync once, print the report as JSON, and leave the rules
  --plan                  print what would be done, and do nothing
  --cleanup               remove our rules and end; with a running proxy: remove them when it stops
  --log-level LEVEL       trace, debug, info, warn, error (default: info)
  --help                  this text
`

/** The command line, read. */
export interface ProxyOptions {
  readonly manifests: string | undefined
  readonly mode: 'nftables' | 'ipvs'
  readonly name: string
  readonly netns: string | undefined
  readonly nodeName: string | undefined
  readonly localSources: readonly string[] | undefined
  readonly listen: { readonly host: string; readonly port: number } | undefined
  readonly once: boolean
  readonly plan: boolean
  readonly cleanup: boolean
  readonly logLevel: string
  readonly help: boolean
}

function parseListen(text: string): { host: string; port: number } | undefined {
  if (text === 'off') return undefined
  const match = /^(?:\[([^\]]+)\]|([^:]*)):([0-9]{1,5})$/.exec(text)
  if (match === null || Number(match[3]) > 65_535) throw new Error(`--listen ${text}: HOST:PORT is wanted, or off`)
  return { host: match[1] ?? match[2] ?? '', port: Number(match[3]) }
}

function parseMode(mode: string): 'nftables' | 'ipvs' {
  if (mode === 'nftables' || mode === 'ipvs') return mode
  throw new Error(`--mode ${mode}: nftables or ipvs is wanted`)
}

/** Reads the command line. @throws Error with words for the user. */
export function parseOptions(args: readonly string[]): ProxyOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      manifests: { type: 'string' },
      mode: { type: 'string', default: 'nftables' },
      name: { type: 'string', default: 'netplane' },
      netns: { type: 'string' },
      'node-name': { type: 'string' },
      'local-sources': { type: 'string' },
      listen: { type: 'string', default: '127.0.0.1:10256' },
      once: { type: 'boolean', default: false },
      plan: { type: 'boolean', default: false },
      cleanup: { type: 'boolean', default: false },
      'log-level': { type: 'string', default: 'info' },
      help: { type: 'boolean', default: false }
    }
  })
  if (values.manifests === undefined && !values.cleanup && !values.help) throw new Error('--manifests is missing')
  return {
    manifests: values.manifests,
    mode: parseMode(values.mode),
    name: values.name,
    netns: values.netns,
    nodeName: values['node-name'],
    localSources: values['local-sources']?.split(',').filter((source) => source !== ''),
    listen: parseListen(values.listen),
    once: values.once,
    plan: values.plan,
    cleanup: values.cleanup,
    logLevel: values['log-level'],
    help: values.help
  }
}
