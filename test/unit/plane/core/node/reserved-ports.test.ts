import { expect, it } from 'vitest'
import { checkReservation, Ports } from '../../../../../src/plane/core/node/reserved-ports.js'

it('reads and writes the form of the system setting', () => {
  for (const text of ['', '1', '8080', '1-65535', '8080,30000-32767', '1,3,5-7,65535']) expect(String(Ports.parse(text))).toBe(text)
  expect(String(Ports.parse(' 5-7,6-9 ,8080\n'))).toBe('5-9,8080')
  expect(String(Ports.parse('x,70000,9-5,3-70000,4'))).toBe('4')
  expect(Ports.parse('').isEmpty).toBe(true)
})

it('joins and subtracts', () => {
  const [left, right] = [Ports.parse('1-10,20'), Ports.parse('5-6,20-21')]
  expect(String(left.with(right))).toBe('1-10,20-21')
  expect(String(left.without(right))).toBe('1-4,7-10')
  expect(right.without(right).isEmpty).toBe(true)
})

it('refuses what is no list of ranges, with the path', () => {
  expect(checkReservation(undefined)).toBeUndefined()
  expect(String(checkReservation([{ from: 30_000, to: 32_767 }]))).toBe('30000-32767')
  const wrong: [unknown, string][] = [
    [[], 'reserveNodePorts'],
    ['30000-32767', 'reserveNodePorts'],
    [[{ from: 0, to: 5 }], 'reserveNodePorts[0].from'],
    [
      [
        { from: 1, to: 2 },
        { from: 5, to: 4 }
      ],
      'reserveNodePorts[1].to'
    ],
    [[{ from: 1, to: 65_536 }], 'reserveNodePorts[0].to'],
    [[{ from: 1, to: 2, step: 3 }], 'reserveNodePorts[0].step'],
    [[5], 'reserveNodePorts[0]']
  ]
  for (const [option, path] of wrong) expect(() => checkReservation(option as never)).toThrow(path)
})
