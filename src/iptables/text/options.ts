/**
 * The options that iptables itself has, by all their names.
 */

/** What an option asks for or says, beside matches and targets. */
export type OwnOption =
  'source' | 'destination' | 'inInterface' | 'outInterface' | 'protocol' | 'fragment' | 'match' | 'jump' | 'goto' | 'counters'

/** Options of a rule, by their names. */
export const OWN_OPTIONS: ReadonlyMap<string, OwnOption> = new Map([
  ['-s', 'source'],
  ['--source', 'source'],
  ['--src', 'source'],
  ['-d', 'destination'],
  ['--destination', 'destination'],
  ['--dst', 'destination'],
  ['-i', 'inInterface'],
  ['--in-interface', 'inInterface'],
  ['-o', 'outInterface'],
  ['--out-interface', 'outInterface'],
  ['-p', 'protocol'],
  ['--protocol', 'protocol'],
  ['--proto', 'protocol'],
  ['-f', 'fragment'],
  ['--fragment', 'fragment'],
  ['--fragments', 'fragment'],
  ['-m', 'match'],
  ['--match', 'match'],
  ['-j', 'jump'],
  ['--jump', 'jump'],
  ['-g', 'goto'],
  ['--goto', 'goto'],
  ['-c', 'counters'],
  ['--set-counters', 'counters']
])

/** What a line does. */
export type LineCommand =
  'append' | 'insert' | 'replace' | 'delete' | 'flush' | 'zero' | 'newChain' | 'deleteChain' | 'renameChain' | 'policy'

/** Options that say what a line does, by their names. */
export const COMMANDS: ReadonlyMap<string, LineCommand> = new Map([
  ['-A', 'append'],
  ['--append', 'append'],
  ['-I', 'insert'],
  ['--insert', 'insert'],
  ['-R', 'replace'],
  ['--replace', 'replace'],
  ['-D', 'delete'],
  ['--delete', 'delete'],
  ['-F', 'flush'],
  ['--flush', 'flush'],
  ['-Z', 'zero'],
  ['--zero', 'zero'],
  ['-N', 'newChain'],
  ['--new-chain', 'newChain'],
  ['--new', 'newChain'],
  ['-X', 'deleteChain'],
  ['--delete-chain', 'deleteChain'],
  ['-E', 'renameChain'],
  ['--rename-chain', 'renameChain'],
  ['-P', 'policy'],
  ['--policy', 'policy']
])
