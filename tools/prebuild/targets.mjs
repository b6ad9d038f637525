// The platforms whose binaries are in the tarball.

/**
 * What each is called for zig, which has the C libraries of all of them: of glibc as it was in a version, whatever this machine has.
 * @type {Record<string, { readonly triple: string }>}
 */
export const targets = {
  'linux-x64': { triple: 'x86_64-linux-gnu.2.28' },
  'linux-arm64': { triple: 'aarch64-linux-gnu.2.28' },
  'linuxmusl-x64': { triple: 'x86_64-linux-musl' },
  'linuxmusl-arm64': { triple: 'aarch64-linux-musl' }
}

/** Where the binary of a target is, from the root of the package. */
export const binaryOf = (target) => `prebuilds/${target}.node`
