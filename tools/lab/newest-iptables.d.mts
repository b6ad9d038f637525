/** Types of newest-iptables.mjs, for the suites. */
import type { NewestPackage } from './newest-package.mjs'

export const newestIptables: NewestPackage<string>
