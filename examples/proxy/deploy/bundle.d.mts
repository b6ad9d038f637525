import type { Options } from 'tsup'

export interface BundleOptions {
  readonly repository: string
  readonly folder: string
  readonly isProgram?: boolean
}

export declare function proxyBuild(options: BundleOptions): Options
export declare function bundleProxy(options: BundleOptions): Promise<void>
