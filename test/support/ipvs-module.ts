// The module of IPVS, in a machine where no other test needs it meanwhile.
import { readFile, writeFile } from 'node:fs/promises'
import { vi } from 'vitest'
import { run } from './run.js'

const loader = '/proc/sys/kernel/modprobe'
let usual: string | undefined

/** Unloads IPVS. Namespaces of earlier tests may still be going, with what they hold of it. */
export async function unloadIpvs(): Promise<void> {
  await vi.waitFor(
    async () => {
      const modules = (await readFile('/proc/modules', 'utf8')).match(/^ip_vs\w*/gm) ?? []
      const last = [...modules.filter((name) => name !== 'ip_vs'), 'ip_vs']
      if (modules.length > 0) await run('modprobe', ['--remove', ...last])
    },
    { timeout: 120_000, interval: 1000 }
  )
}

/** From now on the kernel loads no module when it is asked for one that it lacks. Before IPVS is unloaded, as whoever asks for it would load it again. */
export async function forbidIpvs(): Promise<void> {
  usual ??= await readFile(loader, 'utf8')
  await writeFile(loader, '/bin/false\n')
}

/** Loads IPVS: newer kernels do so when they are asked for it; 5.10 does not. */
export async function permitIpvs(): Promise<void> {
  if (usual !== undefined) await writeFile(loader, usual)
  await run('modprobe', ['ip_vs'])
}
