/**
 * The target NFQUEUE: programs decide about packets. net/netfilter/xt_NFQUEUE.c, include/uapi/linux/netfilter/xt_NFQUEUE.h, iptables-extensions(8).
 */
import { requireFlag } from '../../../core/checks.js'
import { ValidationError } from '../../../core/errors.js'
import { extension, type OptionReader } from '../extension.js'
import { struct, u16, type Struct } from '../layout.js'
import { present } from '../flags.js'
import { rangeOf, requireRange, type NumberRange } from '../ranges.js'
import { flagOption, readInteger } from '../words.js'
import { codec } from './codec.js'
import { note, requireNumber, type Draft } from './words.js'

/** Where packets wait. */
export interface NfqueueOptions {
  /** The number of a queue, 0–65535; or the first and the last of several, of which a connection has one. Not all 65536 at once. Default: 0. */
  readonly queue?: NumberRange
  /** Packets go on where no program listens, since Linux 2.6.39; otherwise they are dropped. */
  readonly bypass?: boolean
  /** The processor chooses among several queues, since Linux 3.10. */
  readonly cpuFanout?: boolean
}

interface Values {
  readonly first: number
  readonly total?: number
  readonly flags?: number
}

/** NFQ_FLAG_*. */
const BYPASS = 1
const CPU_FANOUT = 2

/** The greatest number of a queue; the kernel counts no more queues than that. */
const MAX_QUEUE = 0xffff

/** @throws {ValidationError} */
function queuesOf(queue: NumberRange): readonly [first: number, total: number] {
  const [first, last] = requireRange('queue', queue, MAX_QUEUE)
  if (last - first === MAX_QUEUE) throw new ValidationError('queue', queue, 'at most 65535 queues')
  return [first, last - first + 1]
}

function toOptions({ first, total = 1, flags = 0 }: Values): NfqueueOptions | undefined {
  if (total === 0) return undefined
  return present({
    queue: rangeOf(first, first + total - 1),
    bypass: (flags & BYPASS) === 0 ? undefined : true,
    cpuFanout: (flags & CPU_FANOUT) === 0 ? undefined : true
  })
}

const balance: OptionReader<Draft<NfqueueOptions>> = {
  values: 1,
  read: (draft, [word = ''], place) => {
    const [first, last, ...more] = word.split(':').map((part) => readInteger(part, 0, 0xffff))
    const isRange = first !== undefined && last !== undefined && more.length === 0 && first < last && last - first < 0xffff
    note(draft, 'queue', isRange ? [first, last] : place.fail('the first and the last of at most 65535 queues: 0:3', 0), place)
  }
}

const options = {
  '--queue-num': { values: 1, read: (draft, [word = ''], place) => note(draft, 'queue', requireNumber(word, 0, 0xffff, place), place) },
  '--queue-balance': balance,
  '--queue-bypass': flagOption('bypass'),
  '--queue-cpu-fanout': flagOption('cpuFanout')
} satisfies Record<string, OptionReader<Draft<NfqueueOptions>>>

/** What a revision has no fields for. @throws {ValidationError} */
function refuseNewer({ queue, bypass, cpuFanout }: NfqueueOptions, revision: number): void {
  if (revision < 1 && Array.isArray(queue)) throw new ValidationError('queue', queue, 'one queue: revision 0 has no more')
  if (revision < 2 && bypass !== undefined) throw new ValidationError('bypass', bypass, 'nothing before revision 2')
  if (revision < 3 && cpuFanout !== undefined) throw new ValidationError('cpuFanout', cpuFanout, 'nothing before revision 3')
}

function revision(number: number, layout: Struct<Values>, readers: Readonly<Record<string, OptionReader<Draft<NfqueueOptions>>>>) {
  return extension<NfqueueOptions, Draft<NfqueueOptions>, 'NFQUEUE'>({
    kind: 'target',
    name: 'NFQUEUE',
    revision: number,
    families: ['ip', 'ip6'],
    module: 'xt_NFQUEUE',
    ...codec<NfqueueOptions, Values>({
      layout,
      names: ['queue', 'bypass', 'cpuFanout'],
      check: (given) => {
        refuseNewer(given, number)
        if (given.cpuFanout === true && !Array.isArray(given.queue))
          throw new ValidationError('cpuFanout', true, 'several queues beside it')
      },
      toValues: ({ queue = 0, bypass, cpuFanout }) => {
        const [first, total] = queuesOf(queue)
        const flags = (requireFlag('bypass', bypass) ? BYPASS : 0) | (requireFlag('cpuFanout', cpuFanout) ? CPU_FANOUT : 0)
        return { first, total, flags }
      },
      toOptions
    }),
    print: ({ queue = 0, bypass, cpuFanout }) => [
      ...(typeof queue === 'number' ? ['--queue-num', `${queue}`] : ['--queue-balance', queue.join(':')]),
      ...(bypass === true ? ['--queue-bypass'] : []),
      ...(cpuFanout === true ? ['--queue-cpu-fanout'] : [])
    ],
    draft: () => ({}),
    options: readers,
    finish: (draft, _context, fail) => {
      if (draft.cpuFanout === true && typeof draft.queue !== 'object') return fail('--queue-cpu-fanout only beside --queue-balance')
      return { ...draft, queue: draft.queue ?? 0 }
    }
  })
}

const { '--queue-num': num, '--queue-bypass': bypass } = options

/** Its revisions; iptables 1.8.9 writes the last one. */
export const NFQUEUE = [
  revision(0, struct(2, { first: u16(0) }), { '--queue-num': num }),
  revision(1, struct(4, { first: u16(0), total: u16(2) }), { '--queue-num': num, '--queue-balance': balance }),
  revision(2, struct(6, { first: u16(0), total: u16(2), flags: u16(4) }), {
    '--queue-num': num,
    '--queue-balance': balance,
    '--queue-bypass': bypass
  }),
  revision(3, struct(6, { first: u16(0), total: u16(2), flags: u16(4) }), options)
] as const
