/**
 * Rows that are made up, to find out where the values of rows go.
 */
import { Buffer } from 'node:buffer'
import type { OwnColumn } from './columns.js'

/** Bytes of probes: neither 0 nor ones, for which many fields have a meaning of their own. */
const FIRST_BYTE = 0x10
const BYTES = 0x6f

/** Each column has bytes, and letters, of its own. */
const BETWEEN_COLUMNS = 17
const BETWEEN_BYTES = 5

/** The letters of the first probe, those of the second, and those of the third. */
const ALPHABETS = ['abcdefghijkl', 'nopqrstuvwxy', 'ABCDEFGHIJKL'] as const

/** More columns would share letters. */
export const MAX_COLUMNS = ALPHABETS[0].length

/** One of three. In the second, columns are in the other order by their values. */
export type Probe = 0 | 1 | 2

function byteOf(column: number, index: number, probe: Probe): number {
  const byte = FIRST_BYTE + ((column * BETWEEN_COLUMNS + index * BETWEEN_BYTES + (probe === 2 ? BYTES >> 1 : 0)) % BYTES)
  return probe === 1 ? 0xff - byte : byte
}

/** Values of a kind from their bytes, which are in the order of the network. */
function valuesOf(kind: OwnColumn['kind'], bytes: Uint8Array): OwnColumn['values'] {
  if (kind === 'bytes') return bytes
  const whole = bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n)
  if (kind === 'count') return BigUint64Array.of(whole)
  return bytes.length === 2 ? Uint16Array.of(Number(whole)) : Uint32Array.of(Number(whole))
}

/** A column of one row, of bytes that are given. */
function columnOf({ name, kind, width }: OwnColumn, bytes: Uint8Array): OwnColumn {
  return { name, kind, width, values: valuesOf(kind, bytes) }
}

/** A column of one row with a text. */
export function textColumn({ name }: OwnColumn, text: string): OwnColumn {
  return { name, kind: 'text', width: 0, values: [text] }
}

/** A column of one row with a number, or bytes, that is nothing but this byte. */
export function filledColumn(column: OwnColumn, byte: number): OwnColumn {
  return columnOf(column, new Uint8Array(column.width).fill(byte))
}

/** The columns of a made-up row. @param textLengths Of texts, by column. */
export function probeColumns(columns: readonly OwnColumn[], probe: Probe, textLengths: readonly number[]): readonly OwnColumn[] {
  return columns.map((column, index) =>
    column.kind === 'text'
      ? textColumn(column, ALPHABETS[probe][index]!.repeat(textLengths[index]!))
      : columnOf(
          column,
          Uint8Array.from({ length: column.width }, (_, at) => byteOf(index, at, probe))
        )
  )
}

/** The bytes of the value of a column of one row, in the order of the network. */
export function bytesOf({ kind, width, values }: OwnColumn): Uint8Array {
  const [value] = values
  if (kind === 'text') return Buffer.from(value as string)
  if (kind === 'bytes') return values as Uint8Array
  let rest = BigInt(value as number | bigint)
  const bytes = new Uint8Array(width)
  for (let index = width - 1; index >= 0; index--, rest >>= 8n) bytes[index] = Number(rest & 0xffn)
  return bytes
}

/** A text of a length from 3 on that has a letter between others. */
export function markedText(length: number, code: number): string {
  return `m${String.fromCodePoint(code)}`.padEnd(length, 'm')
}
