import { openPlane, type Plane } from 'netplane'
import { Daemon } from './daemon.js'
import { translate } from './kubernetes/translate.js'
import { escapeInvisible, openLog } from './log.js'
import { parserInBackground } from './manifests/background.js'
import { ManifestFolder } from './manifests/read.js'
import { parseOptions, USAGE, type ProxyOptions } from './options.js'

async function open({ plane, name, netns: place, traffic, state }: ProxyOptions): Promise<Plane> {
  const netns = place !== undefined && /^[0-9]+$/.test(place) ? Number(place) : place
  const common = { netns, ...traffic, stateFile: state }
  if (plane.mode === 'iptables') return await openPlane({ ...plane, ...common })
  if (plane.mode !== 'userspace') return await openPlane({ ...plane, name, ...common })
  const { localSources, nodeAddresses, ownAddresses, serviceRanges } = traffic
  const relayed = { localSources, nodeAddresses, ownAddresses, serviceRanges }
  return await openPlane({ ...plane, name, netns, stateFile: state, ...relayed })
}

/** Commands that do one thing and end. Returns false where the daemon is wanted. */
async function runOnce(options: ProxyOptions): Promise<boolean> {
  const isCleanup = options.cleanup && options.manifests === undefined
  if (!options.once && !options.plan && !isCleanup) return false
  const plane = await open(options)
  try {
    if (isCleanup) return true
    const { objects, problems } = await new ManifestFolder(options.manifests!).read()
    for (const { file, document, reason } of problems) console.error(escapeInvisible(`${file}, document ${document}: ${reason}`))
    const services = translate(objects, options)
    if (options.plan) console.log(String(await plane.plan(services)))
    else {
      const report = JSON.stringify(await plane.sync(services), (_, value: unknown) => (value instanceof Error ? value.message : value))
      console.log(escapeInvisible(report))
    }
    return true
  } finally {
    await plane.close({ cleanup: isCleanup })
  }
}

async function main(): Promise<void> {
  const options = parseOptions(process.argv.slice(2))
  if (options.help) {
    console.log(USAGE)
    return
  }
  if (await runOnce(options)) return
  const log = openLog(options.logLevel)
  const folder = new ManifestFolder(options.manifests!, parserInBackground(new URL('proxy-parser.js', import.meta.url)))
  const daemon = new Daemon(await open(options), folder, options, log)
  let stopping: Promise<void> | undefined
  const stop = (signal: NodeJS.Signals): void => {
    log.info({ signal }, 'stopping')
    stopping ??= daemon.stop().catch((error: unknown) => {
      log.error({ err: error }, 'stopping failed')
      process.exitCode = 1
    })
  }
  // A terminal that is closed sends SIGHUP.
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, stop)
  await daemon.start()
}

main().catch((error: unknown) => {
  console.error(escapeInvisible(error instanceof Error ? error.message : String(error)))
  process.exitCode = 1
})
