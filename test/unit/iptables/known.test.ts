import { expect, expectTypeOf, it } from 'vitest'
import { MATCHES } from '../../../src/iptables/extensions/matches/index.js'
import { extensionOfWord } from '../../../src/iptables/extensions/registry.js'
import { TARGETS } from '../../../src/iptables/extensions/targets/index.js'
import type { IptablesMatchOptions, IptablesTargetOptions } from '../../../src/iptables/rule/known.js'

/** The options of what has a name. */
type OptionsOf<Known extends { readonly name: string; encode(options: never, context: never): unknown }, Name> = Parameters<
  Extract<Known, { readonly name: Name }>['encode']
>[0]

it('the types of rules have every match and target that there are words for', () => {
  expectTypeOf<OptionsOf<(typeof MATCHES)[number], 'tcp'>>().toEqualTypeOf<IptablesMatchOptions['tcp']>()
  expectTypeOf<(typeof MATCHES)[number]['name']>().toEqualTypeOf<keyof IptablesMatchOptions>()
  expectTypeOf<OptionsOf<(typeof TARGETS)[number], 'DNAT'>>().toEqualTypeOf<IptablesTargetOptions['DNAT']>()
  expectTypeOf<OptionsOf<(typeof TARGETS)[number], 'REDIRECT'>>().toEqualTypeOf<IptablesTargetOptions['REDIRECT']>()
  for (const { kind, name, families } of [...MATCHES, ...TARGETS])
    for (const family of families) expect(extensionOfWord(kind, family, name)).toBeDefined()
})
