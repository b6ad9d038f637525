import { subjectRow } from '../frame/subject-row.js'

/** What a plane does many times a second to notice foreign changes. */
export const nftablesGenerationRow = subjectRow({
  name: 'nftables-generation',
  unit: 'µs',
  about: 'ask for the generation once, from the call to the resolved promise',
  bar: { oursAtMost: 100 },
  rounds: 5,
  needs: [],
  subject: 'nftables-generation',
  options: {},
  repeat: 2000,
  operations: 1,
  peers: {}
})
