/** The part about sets of ipset of what crosses between TypeScript and C++ (`native/addon/ipset_socket.*`). */
import type { NativeOutcome, NativeSocket } from './common.js'

export interface NativeIpsetSocket extends NativeSocket {
  /** `name`: at most 31 bytes. `ENOENT` where there is no such set. */
  findIndex(request: { readonly name: string; readonly deadlineMs: number }): Promise<NativeOutcome<number>>
  /** `index`: 0–65535. `ENOENT` where there is no such set. */
  findName(request: { readonly index: number; readonly deadlineMs: number }): Promise<NativeOutcome<string>>
}
