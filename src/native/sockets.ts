/** The part about sockets of what crosses between TypeScript and C++ (`native/addon/diagnostic_socket.*`). */
import type { NativeColumns, NativeOutcome, NativeSocket } from './common.js'

export interface NativeDiagnosticSocket extends NativeSocket {
  /** `family`: AF_INET 2 or AF_INET6 10. `protocol`: IPPROTO_TCP 6 or IPPROTO_UDP 17. Columns of native/sockets/listeners.h. */
  listListeners(request: {
    readonly family: number
    readonly protocol: number
    readonly deadlineMs: number
  }): Promise<NativeOutcome<readonly NativeColumns[]>>
}
