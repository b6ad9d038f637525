import { readdir, readFile } from 'node:fs/promises'
import type { Service } from '../../../../src/plane/model.js'

/** What a real kube-proxy wrote for services. */
export interface Seen {
  readonly name: string
  readonly services: readonly Service[]
  readonly ruleset: string
}

const folder = new URL('seen/', import.meta.url)

/** All that was captured. */
export async function readSeen(): Promise<readonly Seen[]> {
  const names = (await readdir(folder)).sort()
  return Promise.all(
    names.map(async (name) => {
      const { services, ruleset } = JSON.parse(await readFile(new URL(name, folder), 'utf8')) as {
        services: readonly Service[]
        ruleset: readonly string[]
      }
      return { name: name.replace('.json', ''), services, ruleset: ruleset.join('\n') }
    })
  )
}
