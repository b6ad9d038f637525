/**
 * Typed arrays with one entry a row, as they cross to the native side and back (native/netlink/columns.h).
 */
import type { NativeColumns } from '../native/index.js'

/** In columns of indexes into a table of texts: none. */
export const NO_SYMBOL = 0xffff_ffff

/** Columns of one client's form in the native side's. */
export function asNative(columns: { readonly rows: number }): NativeColumns {
  return columns
}
