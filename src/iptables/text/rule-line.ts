/**
 * What a line asks of packets and does with them: everything but the command and the chain.
 */
import type { ExtensionContext } from '../extensions/extension.js'
import { invertible, type Invertible } from '../extensions/invertible.js'
import { protocolNumber, protocolText } from '../protocols.js'
import { formatMasked, parseMasked } from '../rule/addresses.js'
import { isVerdict, type IptablesContext } from '../rule/convert.js'
import { MAX_NAME_BYTES } from '../rule/extensions.js'
import { NO_COUNTERS } from '../rule/form.js'
import type { IptablesCounters, IptablesMatch, IptablesRule, IptablesTarget } from '../rule/model.js'
import { OWN_OPTIONS, type OwnOption } from './options.js'
import type { Word } from './quote.js'
import { ReadExtensions } from './read-extensions.js'
import type { Words } from './words.js'

/** IFNAMSIZ without the NUL. */
const MAX_LINK_BYTES = 15

/** Addresses that one option names, of which each makes a rule of its own. */
interface Addresses {
  readonly texts: readonly string[]
  readonly isInverted: boolean
}

/** A protocol of a line. */
interface LineProtocol {
  readonly number: number
  readonly isInverted: boolean
}

/** One line while it is read. */
export class RuleLine {
  readonly #words: Words
  readonly #context: IptablesContext
  readonly #extensions: ReadExtensions
  readonly #seen = new Set<OwnOption>()
  #source: Addresses | undefined
  #destination: Addresses | undefined
  #inInterface: Invertible<string> | undefined
  #outInterface: Invertible<string> | undefined
  #protocol: LineProtocol | undefined
  #fragment: boolean | undefined
  #target: IptablesTarget | undefined
  #counters: IptablesCounters

  constructor(words: Words, context: IptablesContext, counters: IptablesCounters = NO_COUNTERS) {
    this.#words = words
    this.#context = context
    this.#extensions = new ReadExtensions(words, context.family)
    this.#counters = counters
  }

  readonly #readers: { readonly [Name in OwnOption]: (option: Word, isInverted: boolean) => void } = {
    source: (option, isInverted) => (this.#source = this.#readAddresses(option, isInverted)),
    destination: (option, isInverted) => (this.#destination = this.#readAddresses(option, isInverted)),
    inInterface: (option, isInverted) => (this.#inInterface = this.#readLink(option, isInverted)),
    outInterface: (option, isInverted) => (this.#outInterface = this.#readLink(option, isInverted)),
    protocol: (option, isInverted) => (this.#protocol = this.#readProtocol(option, isInverted)),
    fragment: (option, isInverted) => (this.#fragment = this.#readFragment(option, isInverted)),
    match: (option) => this.#readMatch(option),
    jump: (option) => (this.#target = this.#readJump(option)),
    goto: (option) => (this.#target = { goto: this.#chainName(this.#words.takeValue(option)) }),
    counters: (option) => (this.#counters = this.#readCounters(option))
  }

  /** Reads an option that was taken. @throws {IptablesSyntaxError} */
  readOption(option: Word, inverting: Word | undefined): void {
    const own = OWN_OPTIONS.get(option.text)
    if (own !== undefined && !option.isQuoted) this.#readOwn(own, option, inverting)
    else if (!this.#extensions.readOption(option, inverting !== undefined)) this.#readImplied(option, inverting !== undefined)
  }

  /** The rules of the line: one for each pair of a source and a destination. @throws {IptablesSyntaxError} */
  finish(): IptablesRule[] {
    const { number, isInverted } = this.#protocol ?? { number: undefined, isInverted: false }
    const context: ExtensionContext = { ...this.#context, protocol: isInverted ? undefined : number }
    const matches = this.#extensions.finish('match', context) as unknown as IptablesMatch[]
    const [extension] = this.#extensions.finish('target', context) as unknown as IptablesTarget[]
    const target = extension ?? this.#target
    const common: IptablesRule = {
      ...(this.#inInterface === undefined ? {} : { inInterface: this.#inInterface }),
      ...(this.#outInterface === undefined ? {} : { outInterface: this.#outInterface }),
      ...(number === undefined ? {} : { protocol: invertible(protocolText(number), isInverted) }),
      ...(this.#fragment === undefined ? {} : { fragment: this.#fragment }),
      matches,
      ...(target === undefined ? {} : { target }),
      counters: this.#counters
    }
    return each(this.#source).flatMap((source) =>
      each(this.#destination).map((destination) => ({
        ...(source === undefined ? {} : { source }),
        ...(destination === undefined ? {} : { destination }),
        ...common
      }))
    )
  }

  #readOwn(own: OwnOption, option: Word, inverting: Word | undefined): void {
    if (own !== 'match' && this.#seen.has(own === 'goto' ? 'jump' : own)) this.#words.fail(option, `${option.text} once`)
    this.#seen.add(own === 'goto' ? 'jump' : own)
    if (inverting !== undefined && ['match', 'jump', 'goto', 'counters'].includes(own))
      this.#words.fail(inverting, `${option.text} without ! before it`)
    this.#readers[own](option, inverting !== undefined)
  }

  /** An option of the protocol's match, which the line does not name: it is named by its first option. */
  #readImplied(option: Word, isInverted: boolean): void {
    const name = this.#protocol === undefined ? undefined : protocolText(this.#protocol.number)
    const isNew = name !== undefined && !this.#extensions.hasMatch(name)
    if (!isNew || !this.#extensions.load('match', { ...option, text: name }) || !this.#extensions.readOption(option, isInverted))
      this.#extensions.unknown(option)
  }

  #readAddresses(option: Word, isInverted: boolean): Addresses {
    const value = this.#words.takeValue(option, 'an address')
    const { family } = this.#context
    const texts = value.text.split(',').map((text) => {
      const masked = parseMasked(text, family)
      return masked === undefined
        ? this.#words.fail(value, `addresses of ${family === 'ip' ? 'IPv4' : 'IPv6'}, with or without a mask`)
        : formatMasked(masked)
    })
    if (isInverted && texts.length > 1) this.#words.fail(value, 'one address, as it is inverted')
    return { texts, isInverted }
  }

  #readLink(option: Word, isInverted: boolean): Invertible<string> | undefined {
    const value = this.#words.takeValue(option, 'the name of a link')
    const { text } = value
    if (text === '' || Buffer.byteLength(text) > MAX_LINK_BYTES)
      this.#words.fail(value, `the name of a link, of 1 to ${MAX_LINK_BYTES} bytes`)
    return text === '+' && !isInverted ? undefined : invertible(text, isInverted)
  }

  #readProtocol(option: Word, isInverted: boolean): LineProtocol | undefined {
    const value = this.#words.takeValue(option, 'a protocol')
    const number = protocolNumber(value.text)
    if (number === undefined || (number === 0 && isInverted)) return this.#words.fail(value, 'a protocol by its name or number')
    return number === 0 ? undefined : { number, isInverted }
  }

  #readFragment(option: Word, isInverted: boolean): boolean {
    if (this.#context.family === 'ip6') this.#words.fail(option, 'no -f in family ip6, which has the match frag')
    return !isInverted
  }

  #readMatch(option: Word): void {
    const name = this.#words.takeValue(option, 'the name of a match')
    if (!this.#extensions.load('match', name)) this.#words.fail(name, 'a match that there are words for')
  }

  #readJump(option: Word): IptablesTarget | undefined {
    const value = this.#words.takeValue(option, 'a target')
    if (isVerdict(value.text)) return value.text
    return this.#extensions.load('target', value) ? undefined : { jump: this.#chainName(value) }
  }

  #chainName(value: Word): string {
    const isName = value.text !== '' && Buffer.byteLength(value.text) <= MAX_NAME_BYTES && !/^[-!]|\s/.test(value.text)
    return isName ? value.text : this.#words.fail(value, `the name of a chain, of 1 to ${MAX_NAME_BYTES} bytes`)
  }

  #readCounters(option: Word): IptablesCounters {
    const first = this.#words.takeValue(option, 'packets and bytes')
    const [packets = '', bytes = this.#words.takeValue(option, 'packets and bytes').text] = first.text.split(',')
    if (!/^[0-9]{1,20}$/.test(packets) || !/^[0-9]{1,20}$/.test(bytes)) return this.#words.fail(first, 'packets and bytes')
    return { packets: BigInt(packets), bytes: BigInt(bytes) }
  }
}

/** The addresses of an option, each alone; what all packets have is none. */
function each(addresses: Addresses | undefined): (Invertible<string> | undefined)[] {
  if (addresses === undefined) return [undefined]
  const { texts, isInverted } = addresses
  return texts.map((text) => (text.endsWith('/0') && !isInverted ? undefined : invertible(text, isInverted)))
}
