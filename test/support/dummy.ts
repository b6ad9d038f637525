import { attempt, run } from './run.js'

/** Whether the kernel that the tests run on has dummy links, as `ip` finds out. */
export async function hasDummyLinks(): Promise<boolean> {
  const name = `probe-${process.pid}`
  const { status, stderr } = await attempt('ip', ['link', 'add', name, 'type', 'dummy'])
  if (status === 0) {
    await run('ip', ['link', 'delete', name])
    return true
  }
  if (stderr.includes('Unknown device type') || stderr.includes('not supported')) return false
  throw new Error(`whether there are dummy links cannot be found out: ${stderr}`)
}
