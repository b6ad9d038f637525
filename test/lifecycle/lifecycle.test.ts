import { describe, test } from 'vitest'
import { play, scenarios } from './scenarios.js'

describe('the addon lives and dies well', () => {
  test.for(scenarios)('$name', play)
})
