/** Types of archive.mjs, for its test. */
export function writeArchive(what: {
  readonly root: string
  readonly archive: string
  readonly name: string
  readonly settings: object
}): void
