import { expect, it } from 'vitest'
import { takeOptions, type PlaneOptions } from '../../../src/plane/options.js'

it('takes inherited options, and what a class computes, as they are at the moment', () => {
  class Options {
    readonly mode = 'nftables'
    #name = 'blue'
    get name(): string {
      return this.#name
    }
    rename(): void {
      this.#name = 'green'
    }
  }
  const options = new Options()
  const taken = takeOptions(options as PlaneOptions)
  options.rename()
  expect([taken.mode, taken.name]).toEqual(['nftables', 'blue'])
  expect(takeOptions(Object.create({ mode: 'iptables' }) as PlaneOptions)).toEqual({ mode: 'iptables' })
})
