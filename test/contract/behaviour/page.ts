import { fileURLToPath } from 'node:url'
import { format, resolveConfig } from 'prettier'
import { behaviourPage, type Machines } from './docs.js'
import { rows } from './rows.js'
import { subjects } from './subjects.js'

/**
 * docs/behaviour.md as it must be.
 *
 * @param machines Those of tools/lab/machines.mjs.
 */
export async function page(machines: Machines): Promise<string> {
  const config = await resolveConfig(fileURLToPath(import.meta.url))
  return format(behaviourPage(rows, subjects, machines), { ...config, parser: 'markdown' })
}
