/**
 * What a shared object needs and shows, read by `readelf`, which knows every processor.
 */
import { run } from './run.js'

/** Reads it. @param what Options of readelf(1). */
export const readelf = (file: string, ...what: string[]): Promise<string> => run('readelf', ['--wide', ...what, file])

/** The libraries that it asks for. */
export async function librariesOf(file: string): Promise<string[]> {
  return [...(await readelf(file, '--dynamic')).matchAll(/\(NEEDED\).*\[(.+)\]/g)].map((match) => match[1]!)
}

/** The versions of glibc whose symbols it asks for. */
export async function glibcVersionsOf(file: string): Promise<string[]> {
  return [...(await readelf(file, '--dyn-syms')).matchAll(/@GLIBC_([0-9.]+)/g)].map((match) => match[1]!)
}

/** The newest of versions. */
export const newest = (versions: readonly string[]): string =>
  [...versions].sort((a, b) => a.localeCompare(b, 'en', { numeric: true })).at(-1)!

/** What it shows to others. */
export async function shownBy(file: string): Promise<string[]> {
  const symbols = (await readelf(file, '--dyn-syms')).split('\n').map((line) => line.trim().split(/\s+/))
  // The last two are the section, which what is not defined lacks, and the name.
  return symbols.filter((fields) => fields.length >= 8 && /^\d+$/.test(fields.at(-2)!)).map((fields) => fields.at(-1)!)
}

/** What any binary of the addon shows: the two entry points of a Node-API module, and the places that all copies in one process share. */
export const SHOWN = ['napi_register_module_v1', 'netplane_places_1', 'node_api_module_get_api_version_v1']
