import type { Options } from 'tsup'

/** What is built from which repository into which folder. */
export interface BundleOptions {
  readonly repository: string
  readonly folder: string
  /** Whether the files can be started by their names, and leave the library `netplane` to be installed beside them. Default false. */
  readonly isProgram?: boolean
}

/** How tsup builds the proxy and its parser. */
export declare function proxyBuild(options: BundleOptions): Options
/** Builds them. */
export declare function bundleProxy(options: BundleOptions): Promise<void>
