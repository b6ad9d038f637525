import { expect, it } from 'vitest'
import { jhash, jhashModulus } from '../../../../../src/plane/tables/explain/jhash.js'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

it.each([
  // The self-test of lookup3.c by Bob Jenkins, whose hashlittle() jhash is.
  ['', 0, 0xdead_beef],
  ['', 0xdead_beef, 0xbd5b_7dde],
  ['Four score and seven years ago', 0, 0x1777_0551],
  ['Four score and seven years ago', 1, 0xcd62_8161]
])('hashes %j with seed %i', (text, seed, hash) => {
  expect(jhash(bytes(text), seed)).toBe(hash)
})

it('takes the upper bits of the product for a modulus', () => {
  const key = bytes('Four score and seven years ago')
  expect(jhashModulus(key, 16, 0)).toBe(0x1)
  expect(jhashModulus(key, 256, 1)).toBe(0xcd)
  expect(jhashModulus(key, 1, 1)).toBe(0)
})
