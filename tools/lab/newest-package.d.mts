/** Types of newest-package.mjs, for the suites. */
export interface NewestPackage<Use> {
  find(): Use | undefined
  provide(): Promise<Use>
  provideForTests(): Promise<void>
  require(): Use
}
