/**
 * What a refusal means, where errno, operation and field leave one cause. Where they leave none, nothing is said: a hint that names a cause must be the cause.
 * The functions named are those of net/netfilter/nf_tables_api.c that refuse.
 */
import { release } from 'node:os'
import { PERMISSION_HINT } from '../core/failures.js'
import type { NativeRecord } from '../native/index.js'
import { isRemoval } from './transaction-types.js'
import type { QueuedOperation } from './transaction-types.js'

/** What was refused. */
interface Refused {
  readonly code: string
  /** As the kernel points at it; empty where it does not. */
  readonly field: string
  readonly verb: QueuedOperation['verb']
  readonly kind: QueuedOperation['kind']
  readonly value: NativeRecord
}

interface HintRow {
  readonly codes: readonly string[]
  readonly when: (refused: Refused) => boolean
  readonly hint: string
}

type Expression = Readonly<Record<string, unknown>>

/** NFT_OBJECT_SECMARK. */
const SECMARK = 8
/** NF_IP_PRI_CONNTRACK: nft_chain_parse_hook lets NAT in only after it. */
const CONNTRACK_PRIORITY = -200

function isOlderThan(major: number, minor: number): boolean {
  const [runningMajor = 0, runningMinor = 0] = release().split('.').map(Number)
  return runningMajor < major || (runningMajor === major && runningMinor < minor)
}

/** The expression that the kernel points at. */
function expressionAt({ kind, field, value }: Refused): Expression | undefined {
  const index = /^expressions\[(\d+)\]/.exec(field)?.[1]
  return kind === 'rule' && index !== undefined ? (value['expressions'] as readonly Expression[] | undefined)?.[Number(index)] : undefined
}

function jumpsTo(expression: Expression | undefined): unknown {
  const data = expression?.['type'] === 'immediate' ? (expression['data'] as Expression | undefined) : undefined
  return data?.['chain']
}

function isAt(...types: readonly string[]): (refused: Refused) => boolean {
  return (refused) => types.includes(String(expressionAt(refused)?.['type']))
}

/** The kernel's own names of chains that belong to rules. */
function isKernelNamed(chain: unknown): boolean {
  return typeof chain === 'string' && /^__chain\d+$/.test(chain)
}

function flagsOf({ value }: Refused): readonly unknown[] {
  return (value['flags'] ?? []) as readonly unknown[]
}

const isMaking = ({ verb }: Refused): boolean => verb === 'add' || verb === 'create'
const isBase = ({ kind, value }: Refused): boolean => kind === 'chain' && value['hook'] !== undefined
const isEarlyNat = ({ value }: Refused): boolean =>
  value['chainType'] === 'nat' && (value['hook'] as { readonly priority: number }).priority <= CONNTRACK_PRIORITY
const pointsAt =
  (field: string, kind?: string) =>
  (refused: Refused): boolean =>
    refused.field === field && (kind === undefined || refused.kind === kind)

const NO_SUPPORT = ['EINVAL', 'EOPNOTSUPP'] as const

/** By the first that applies. */
const ROWS: readonly HintRow[] = [
  { codes: NO_SUPPORT, when: ({ verb }) => verb === 'destroy' && isOlderThan(6, 3), hint: 'destroy needs Linux 6.3' },
  {
    codes: ['EPERM'],
    // nf_tables_newtable does not point at the name.
    when: ({ field, kind }) => field !== '' || kind === 'table',
    hint: 'the table is owned by another socket (flag owner)'
  },
  { codes: ['EPERM'], when: () => true, hint: PERMISSION_HINT },

  // Tables: nf_tables_newtable, nf_tables_updtable.
  {
    codes: NO_SUPPORT,
    when: (refused) => refused.kind === 'table' && flagsOf(refused).includes('owner') && isOlderThan(5, 12),
    hint: 'owner needs Linux 5.12'
  },
  {
    codes: NO_SUPPORT,
    when: (refused) => refused.kind === 'table' && flagsOf(refused).includes('persist') && isOlderThan(6, 9),
    hint: 'persist needs Linux 6.9'
  },
  {
    codes: ['EOPNOTSUPP'],
    when: (refused) => refused.kind === 'table' && isMaking(refused),
    hint: 'a table that exists neither gets nor loses its owner'
  },

  // Chains: nf_tables_newchain, nft_chain_parse_hook, nf_tables_updchain, nf_tables_bind_chain.
  {
    codes: ['EOPNOTSUPP'],
    when: (refused) => isBase(refused) && isMaking(refused) && isEarlyNat(refused),
    hint: 'address translation comes after connection tracking: chains of type nat have a priority above -200'
  },
  {
    codes: ['EOPNOTSUPP', 'EEXIST'],
    when: (refused) => isBase(refused) && refused.verb === 'add' && !flagsOf(refused).includes('hw-offload'),
    hint: 'the chain exists with another hook, priority or type, or without any, and these cannot be changed: delete it first'
  },
  { codes: ['ENOENT'], when: pointsAt('chainType'), hint: 'this kernel has no chains of this type in tables of this family' },
  {
    codes: ['EOPNOTSUPP'],
    when: ({ kind, field, value }) => field === '' && isKernelNamed(kind === 'chain' ? value['name'] : kind === 'rule' && value['chain']),
    hint: 'the chain belongs to a rule that jumps to it, and changes with that rule only'
  },
  {
    codes: ['EINVAL'],
    when: (refused) => isKernelNamed(jumpsTo(expressionAt(refused))),
    hint: 'the chain belongs to the rule that jumps to it, and no other can'
  },
  {
    codes: ['EOPNOTSUPP'],
    when: (refused) => jumpsTo(expressionAt(refused)) !== undefined,
    hint: 'chains with a hook cannot be jumped to'
  },

  // What is named and is not there.
  { codes: ['ENOENT'], when: pointsAt('table'), hint: 'there is no such table' },
  { codes: ['ENOENT'], when: pointsAt('name', 'table'), hint: 'there is no such table' },
  { codes: ['ENOENT'], when: pointsAt('chain', 'rule'), hint: 'there is no such chain' },
  { codes: ['ENOENT'], when: pointsAt('set', 'elements'), hint: 'there is no such set' },
  { codes: ['ENOENT'], when: pointsAt('handle'), hint: 'nothing has this handle' },
  { codes: ['ENOENT'], when: pointsAt('position', 'rule'), hint: 'the chain has no rule with this handle' },
  { codes: ['ENOENT'], when: (refused) => isRemoval(refused) && refused.field === 'name', hint: 'nothing has this name' },
  { codes: ['ENOENT'], when: isAt('lookup', 'dynset'), hint: 'there is no such set in the table' },
  {
    codes: ['ENOENT'],
    when: (refused) => isAt('objref')(refused) && expressionAt(refused)?.['name'] !== undefined,
    hint: 'there is no such object of this kind in the table'
  },
  { codes: ['ENOENT'], when: (refused) => jumpsTo(expressionAt(refused)) !== undefined, hint: 'there is no such chain in the table' },
  {
    codes: ['ENOENT'],
    when: (refused) => ['match', 'target'].includes(String(expressionAt(refused)?.['name'])),
    hint: 'this kernel lacks the extension of xtables, in this revision, or its module nft_compat'
  },
  { codes: ['ENOENT'], when: (refused) => expressionAt(refused) !== undefined, hint: 'this kernel lacks the expression, or its module' },
  {
    codes: ['ENOENT'],
    when: ({ kind, verb, value }) => kind === 'object' && verb !== 'delete' && value['objectType'] === SECMARK,
    hint: 'this kernel has no security module that knows the label'
  },
  {
    codes: ['ENOENT'],
    when: (refused) => refused.kind === 'object' && isMaking(refused),
    hint: 'this kernel has no objects of this kind in tables of this family, or lacks what the object refers to (a helper)'
  },
  {
    codes: ['ENOENT'],
    // nf_tables_newflowtable points at a device that is missing, and at nothing where it has no type of flowtable.
    when: (refused) => refused.kind === 'flowtable' && isMaking(refused) && refused.field === '',
    hint: 'this kernel has no flowtables for tables of this family (CONFIG_NF_FLOW_TABLE)'
  },
  { codes: ['ENOENT'], when: (refused) => refused.kind === 'elements' && isRemoval(refused), hint: 'the set has no such element' },
  {
    codes: ['ENOENT'],
    when: (refused) => refused.kind === 'elements' && isMaking(refused),
    hint: 'the table lacks the chain or the object that the element refers to'
  },

  // What is there already, or is needed.
  {
    codes: ['EEXIST', 'ENOTEMPTY'],
    when: ({ kind }) => kind === 'elements',
    hint: 'an element with this key, or a range that overlaps it, is there already'
  },
  { codes: ['EEXIST'], when: ({ verb }) => verb === 'create', hint: 'it exists already' },
  { codes: ['EEXIST'], when: ({ verb }) => verb === 'add', hint: 'it exists, and differs in what cannot be changed' },
  { codes: ['EBUSY'], when: isRemoval, hint: 'something still refers to the object' },
  {
    codes: ['EBUSY'],
    when: ({ kind }) => kind === 'elements',
    hint: 'the set is constant, and a rule uses it'
  },
  { codes: ['EBUSY'], when: isAt('dynset'), hint: 'the set is constant' },
  { codes: ['ENFILE'], when: ({ kind }) => kind === 'elements', hint: 'the set has as many elements as its declared size' }
]

/** Of refusals of the whole transaction, and of what the kernel finds when all operations are done. */
const WHOLE: Readonly<Record<string, string>> = {
  EPERM: PERMISSION_HINT,
  ERESTART: 'another process changed the ruleset: read the generation and the objects again',
  EMSGSIZE:
    'a transaction is one datagram: raise net.core.wmem_max, run with CAP_NET_ADMIN in the initial user namespace, or commit in parts',
  EMLINK: 'chains go round in circles, or jump more than 16 deep',
  ELOOP: 'chains go round in circles'
}

/** What a refusal of an operation means; undefined where there are several causes, or none is known. */
export function hintFor(code: string, field: string, operation: QueuedOperation | undefined): string | undefined {
  if (operation === undefined) return WHOLE[code]
  const { verb, kind, value } = operation
  const refused: Refused = { code, field, verb, kind, value }
  return ROWS.find(({ codes, when }) => codes.includes(code) && when(refused))?.hint ?? WHOLE[code]
}
