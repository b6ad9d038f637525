/**
 * `bpf`: a program of the classic BPF that looks at the packet. Source: include/uapi/linux/netfilter/xt_bpf.h and include/uapi/linux/filter.h (struct sock_filter),
 * iptables-extensions(8).
 */
import { requireFields, requireInteger } from '../../../core/checks.js'
import { ValidationError } from '../../../core/errors.js'
import { list, struct, u16, u32, u8, type Field } from '../layout.js'
import { printOption, valueOption, type Word } from '../words.js'
import { match, type Drafted, type MatchDefinition } from './match.js'

/** One instruction of a program, as `struct sock_filter` has it. */
export interface BpfInstruction {
  /** 0–65535. */
  readonly code: number
  /** How many instructions to leave out where a condition holds, 0–255. */
  readonly jt: number
  /** How many instructions to leave out where it does not, 0–255. */
  readonly jf: number
  /** 0 – 2^32-1. */
  readonly k: number
}

/** Options of the match `bpf`. Programs that are pinned in a file system have no words: they stay opaque. */
export interface BpfOptions {
  /** 1 to 64 instructions; the kernel checks that they make a program. It matches where the program returns something else than 0. */
  readonly program: readonly BpfInstruction[]
}

/** XT_BPF_MAX_NUM_INSTR. */
const MAX_INSTRUCTIONS = 64
const INSTRUCTION_BYTES = 8
const MAXIMA = { code: 0xffff, jt: 0xff, jf: 0xff, k: 0xffff_ffff } as const
const NAMES = Object.keys(MAXIMA) as (keyof typeof MAXIMA)[]

function instruction(offset: number): Field<BpfInstruction> {
  const fields = { code: u16(offset), jt: u8(offset + 2), jf: u8(offset + 3), k: u32(offset + 4) }
  return {
    offset,
    length: INSTRUCTION_BYTES,
    read: (view) => ({ code: fields.code.read(view), jt: fields.jt.read(view), jf: fields.jf.read(view), k: fields.k.read(view) }),
    write: (view, value) => {
      for (const name of NAMES) fields[name].write(view, value[name])
    }
  }
}

const FIRST = struct(528, { count: u16(0), program: list(4, MAX_INSTRUCTIONS, instruction) })
/** Mode 0: the program stands in the structure. */
const SECOND = struct(528, { mode: u16(0), count: u16(2), program: list(8, MAX_INSTRUCTIONS, instruction) })

/** A number of an instruction, which is decimal always; undefined where the word is none. */
function readDecimal(word: string, max: number): number | undefined {
  return /^[0-9]{1,10}$/.test(word) && Number(word) <= max ? Number(word) : undefined
}

function readInstruction(text: string): BpfInstruction | undefined {
  const words = text.trim().split(/\s+/)
  const [code, jt, jf, k] = NAMES.map((name, index) => readDecimal(words[index] ?? '', MAXIMA[name]))
  if (words.length !== NAMES.length || code === undefined || jt === undefined || jf === undefined || k === undefined) return undefined
  return { code, jt, jf, k }
}

/** How many instructions there are, and then each of them, with commas between. */
const PROGRAM: Word<readonly BpfInstruction[]> = {
  allowed: 'a program as nfbpf_compile makes it: COUNT,CODE JT JF K,...',
  read: (word) => {
    const [count, ...texts] = word.replace(/,$/, '').split(',')
    const program = texts.map(readInstruction)
    const isWhole = program.length >= 1 && program.length <= MAX_INSTRUCTIONS && count === String(program.length)
    return isWhole && !program.includes(undefined) ? (program as BpfInstruction[]) : undefined
  },
  print: (program) => [program.length, ...program.map((step) => NAMES.map((name) => step[name]).join(' '))].join(',')
}

function programOf({ program }: BpfOptions): { readonly count: number; readonly program: readonly BpfInstruction[] } {
  if (!Array.isArray(program) || program.length === 0 || program.length > MAX_INSTRUCTIONS)
    throw new ValidationError('program', program, `a list of 1 to ${MAX_INSTRUCTIONS} instructions`)
  for (const [index, step] of program.entries()) {
    const fields = requireFields(`program[${index}]`, step, 'an object with code, jt, jf and k')
    for (const name of NAMES) requireInteger(`program[${index}].${name}`, fields[name], 0, MAXIMA[name])
  }
  return { count: program.length, program }
}

const common: Omit<MatchDefinition<'bpf', BpfOptions, Drafted<BpfOptions>>, 'revision' | 'encode' | 'decode'> = {
  name: 'bpf',
  families: ['ip', 'ip6'],
  module: 'xt_bpf',
  size: SECOND.size,
  kernelBytes: [[520, 8]],
  fields: ['program'],
  quoted: ['--bytecode'],
  print: ({ program }) => printOption('--bytecode', program, PROGRAM),
  draft: () => ({}),
  options: { '--bytecode': valueOption('program', PROGRAM) },
  finish: ({ program }, _, fail) => ({ program: program ?? fail('--bytecode') })
}

/** Revision 0. */
export const BPF_0 = match<'bpf', BpfOptions>({
  ...common,
  revision: 0,
  encode: (options) => FIRST.write(programOf(options)),
  decode: (info) => {
    const read = FIRST.read(info)
    return read && { program: read.program.slice(0, read.count) }
  }
})

/** Revision 1. */
export const BPF_1 = match<'bpf', BpfOptions>({
  ...common,
  revision: 1,
  encode: (options) => SECOND.write(programOf(options)),
  decode: (info) => {
    const read = SECOND.read(info)
    return read && { program: read.program.slice(0, read.count) }
  }
})
