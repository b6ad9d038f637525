/**
 * What the targets of NAT have in common: DNAT and SNAT map addresses and ports, MASQUERADE and REDIRECT ports.
 */
import { extension, type Extension, type OptionReader } from '../extension.js'
import type { IptablesFamily } from '../../types.js'
import { natCodec, printFlags, printTo, type NatFlag, type NatLayout, type NatRange, type NatTo } from './nat-range.js'
import { readPorts, readTo, requireFitting } from './nat-words.js'
import { flagOption } from '../words.js'
import { note, type Draft } from './words.js'

/** One revision of a target. */
interface NatTarget<Name extends string> {
  readonly name: Name
  readonly revision: number
  readonly families: readonly IptablesFamily[]
  readonly layout: NatLayout
  /** Those of its options that are flags. */
  readonly flags: readonly NatFlag[]
}

const FLAG_OPTIONS = { random: '--random', randomFully: '--random-fully', persistent: '--persistent' } as const

/** The readers of the flags of a target. */
function flagReaders(flags: readonly NatFlag[]): Record<string, OptionReader<Draft<NatRange>>> {
  return Object.fromEntries(flags.map((flag) => [FLAG_OPTIONS[flag], flagOption(flag)]))
}

/** Reads what addresses or ports are mapped to. */
function toReader(read: (word: string, fail: (allowed: string) => never) => NatTo): OptionReader<Draft<NatRange>> {
  return {
    values: 1,
    read: (draft, [word = ''], place) => {
      const to = read(word, (allowed) => place.fail(allowed, 0))
      note(draft, 'to', to, place)
    }
  }
}

/** What targets have that map addresses and ports. */
type MappingOptions = NatRange & { readonly to: NatTo }

/** DNAT or SNAT, whose options are those of a range that it has flags for. */
export function mapping<Options extends MappingOptions, Name extends string>(
  given: NatTarget<Name> & { readonly option: string }
): Extension<Options, Draft<NatRange>, Name> {
  const { name, revision, families, layout, flags, option } = given
  const target = extension<MappingOptions, Draft<NatRange>, Name>({
    kind: 'target',
    name,
    revision,
    families,
    tables: ['nat'],
    module: 'xt_nat',
    ...natCodec<MappingOptions>({
      layout,
      names: ['to', ...flags],
      flags,
      toRange: (options) => options,
      toOptions: ({ to = {}, ...set }) => ({ to, ...set })
    }),
    print: ({ to, ...set }, { family }) => {
      const text = printTo(to, family)
      return [...(text === '' ? [] : [option, text]), ...printFlags(set)]
    },
    draft: () => ({}),
    options: { [option]: toReader(readTo), ...flagReaders(flags) },
    finish: ({ to, ...set }, context, fail) => {
      if (to === undefined) return fail(option)
      requireFitting(to, context, fail)
      return { to, ...set }
    }
  })
  return target as unknown as Extension<Options, Draft<NatRange>, Name>
}

/** What targets have that map ports: those of a range, with its ports in place of it. */
type PortsOptions = Omit<NatRange, 'to'> & Pick<NatTo, 'ports'>

/** MASQUERADE or REDIRECT, whose options are those of a range that it has flags for. */
export function mappingPorts<Options extends PortsOptions, Name extends string>(
  given: NatTarget<Name> & { readonly module: string }
): Extension<Options, Draft<NatRange>, Name> {
  const { name, revision, families, layout, flags, module } = given
  const target = extension<PortsOptions, Draft<NatRange>, Name>({
    kind: 'target',
    name,
    revision,
    families,
    tables: ['nat'],
    module,
    ...natCodec<PortsOptions>({
      layout,
      names: ['ports', ...flags],
      flags,
      toRange: ({ ports, ...set }) => (ports === undefined ? set : { ...set, to: { ports } }),
      toOptions: withPorts
    }),
    print: ({ ports, ...set }, { family }) => [
      ...(ports === undefined ? [] : ['--to-ports', printTo({ ports }, family).slice(1)]),
      ...printFlags(set)
    ],
    draft: () => ({}),
    options: { '--to-ports': toReader(readPorts), ...flagReaders(flags) },
    finish: (draft, context, fail) => {
      const { to = {} } = draft
      requireFitting(to, context, fail)
      if (to.basePort !== undefined) return fail('a port, or the first and the last of a range, without a base port')
      return withPorts(draft)
    }
  })
  return target as unknown as Extension<Options, Draft<NatRange>, Name>
}

function withPorts({ to, ...set }: NatRange): PortsOptions {
  return { ...(to?.ports === undefined ? {} : { ports: to.ports }), ...set }
}
