import { expect, test } from 'vitest'
import { formatTable } from '../../../src/cli/output/table.js'
import { wrap } from '../../../src/cli/output/wrap.js'

test.each([
  ['fits', 10, ['fits']],
  ['between the words', 11, ['between the', 'words']],
  ['an extraordinary word', 8, ['an', 'extraord', 'inary', 'word']],
  ['漢字漢字', 5, ['漢字', '漢字']],
  ['漢字', 1, ['漢', '字']],
  ['as long as it wants', undefined, ['as long as it wants']]
])('%j is wrapped in %s columns', (text, width, lines) => {
  expect(wrap(text, width)).toEqual(lines)
})

test('a table is wrapped between words', () => {
  const columns = [
    { heading: 'A', min: 1 },
    { heading: 'B', min: 5 }
  ]
  expect(formatTable(columns, [['x', 'load modprobe now']], 12)).toEqual(['A  B', 'x  load', '   modprobe', '   now'])
})
