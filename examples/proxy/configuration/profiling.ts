import type { Session } from 'node:inspector/promises'
import { setTimeout } from 'node:timers/promises'
import type { Logger } from 'pino'
import { withInspector } from '../inspector.js'
import { integer } from './kinds.js'
import { forMethods, integerOf, json, plain, type Answer, type Page, type Pages, type Question } from '../pages.js'
import { logLevel } from './translate.js'

/** As long as a profile of Go takes where nothing is said. */
const USUAL_SECONDS = 30
/** The profiler of V8 keeps a sample of each millisecond in memory. */
const MAX_SECONDS = 300

interface Kind {
  /** What those who look at it go by: the developer tools of Chromium, speedscope and so on. */
  readonly extension: string
  readonly begin: (session: Session) => Promise<void>
  readonly end: (session: Session) => Promise<{ readonly profile: unknown }>
}

/** Profiles by kube-proxy's names. Neither has values of variables, which a snapshot of the heap would have: tokens are among them. */
const KINDS: Readonly<Record<'profile' | 'heap', Kind>> = {
  profile: {
    extension: 'cpuprofile',
    begin: async (session) => {
      await session.post('Profiler.enable')
      await session.post('Profiler.start')
    },
    end: (session) => session.post('Profiler.stop')
  },
  heap: {
    extension: 'heapprofile',
    begin: (session) => session.post('HeapProfiler.startSampling'),
    end: (session) => session.post('HeapProfiler.stopSampling')
  }
}

/** What this process does for some seconds. @param gone Ends the profile: nobody wants it any more. */
function record({ begin, end }: Kind, seconds: number, gone: AbortSignal): Promise<unknown> {
  return withInspector(async (session) => {
    await begin(session)
    await setTimeout(seconds * 1000, undefined, { signal: gone })
    return (await end(session)).profile
  })
}

/** kube-proxy sets its verbosity so while it runs, with these words. */
async function setVerbosity({ method, body }: Question, log: Logger): Promise<Answer> {
  if (method !== 'PUT') return plain('unsupported http method', 406, { allow: 'PUT' })
  const word = (await body())?.trim() ?? ''
  const verbosity = integer.parse(word) ?? -1
  if (verbosity < 0) return plain(`failed set klog.logging.verbosity ${JSON.stringify(word)}: an integer of 0 or more is wanted`, 400)
  log.level = logLevel(verbosity)
  return plain(`successfully set klog.logging.verbosity to ${verbosity}`)
}

/**
 * What `enableProfiling` adds to the server of metrics: `/debug/pprof/profile` and `/debug/pprof/heap`, of V8, and `/debug/flags/v`.
 *
 * @param log Its level is what `/debug/flags/v` sets.
 */
export function profilingPages(log: Logger): Pages {
  let isBusy = false
  const pageOf = (name: keyof typeof KINDS): Page =>
    forMethods(['GET'], async (question) => {
      const seconds = integerOf(question, 'seconds', { otherwise: USUAL_SECONDS, min: 1, max: MAX_SECONDS })
      if (isBusy) return plain('a profile is being taken: there is one at a time\n', 409)
      isBusy = true
      try {
        const { extension } = KINDS[name]
        const profile = await record(KINDS[name], seconds, question.gone)
        return json(profile, 200, { 'content-disposition': `attachment; filename="${name}.${extension}"` })
      } finally {
        isBusy = false
      }
    })
  return {
    '/debug/pprof/profile': pageOf('profile'),
    '/debug/pprof/heap': pageOf('heap'),
    '/debug/flags/v': (question) => setVerbosity(question, log)
  }
}
