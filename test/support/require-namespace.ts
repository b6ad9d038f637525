/**
 * Global set-up of the suites that change kernel state: they may run only where the runner has made namespaces for them, so that
 * `npx vitest` by hand can never touch the tables of the machine it is typed on.
 */
export default function requireNamespace(): void {
  if (process.env.NETPLANE_TEST_NAMESPACE === undefined) {
    throw new Error(
      'these tests change the kernel: run them by `npm run test:kernel` (or :lifecycle, :container, :lab), which makes a network namespace'
    )
  }
}
