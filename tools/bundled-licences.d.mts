import type { Plugin } from 'esbuild'

/** A plugin of esbuild that writes the licences of all bundled packages into a file. */
export function bundledLicences(target: string): Plugin
