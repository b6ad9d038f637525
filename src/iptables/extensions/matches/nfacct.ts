/**
 * `nfacct`: counts packets in an object of nfnetlink_acct, which must be there. Source: include/uapi/linux/netfilter/xt_nfacct.h, iptables-extensions(8).
 */
import { struct, text } from '../layout.js'
import { requireName } from '../names.js'
import { textWord, valueOption } from '../words.js'
import { match, type Drafted, type MatchDefinition } from './match.js'

/** Options of the match `nfacct`. */
export interface NfacctOptions {
  /** Name of the object, 1–31 bytes. */
  readonly name: string
}

/** NFACCT_NAME_MAX. */
const NAME_LENGTH = 32

/** After the name stands a pointer of the kernel. */
const INFO = struct(40, { name: text(0, NAME_LENGTH) })

const common: Omit<MatchDefinition<'nfacct', NfacctOptions, Drafted<NfacctOptions>>, 'revision'> = {
  name: 'nfacct',
  families: ['ip', 'ip6'],
  module: 'xt_nfacct',
  size: INFO.size,
  kernelBytes: [[NAME_LENGTH, 8]],
  fields: ['name'],
  encode: ({ name }) => INFO.write({ name: requireName('name', name, NAME_LENGTH - 1) }),
  decode: (info) => {
    const read = INFO.read(info)
    return read && { name: read.name }
  },
  quoted: ['--nfacct-name'],
  print: ({ name }) => ['--nfacct-name', name],
  draft: () => ({}),
  options: { '--nfacct-name': valueOption('name', textWord(NAME_LENGTH - 1)) },
  finish: ({ name }, _, fail) => ({ name: name ?? fail('--nfacct-name') })
}

/** Revision 0. */
export const NFACCT_0 = match<'nfacct', NfacctOptions>({ ...common, revision: 0 })

/** Revision 1, which has the pointer at a multiple of 8 on every machine. */
export const NFACCT_1 = match<'nfacct', NfacctOptions>({ ...common, revision: 1 })
