// Runs every plane for a long time: npm run soak -- [--minutes N]; default: two minutes, shared out among the modes.
import { spawnSync } from 'node:child_process'
import path from 'node:path'
import process from 'node:process'
import { parseArgs } from 'node:util'

const usage = 'npm run soak -- [--minutes N], where N is 1 to 1440'

function minutes() {
  const { values } = parseArgs({ options: { minutes: { type: 'string', default: '2' } } })
  const number = Number(values.minutes)
  if (!Number.isFinite(number) || number < 1 || number > 1440) throw new Error(`--minutes: '${values.minutes}' is not 1 to 1440`)
  return number
}

try {
  const env = { ...process.env, NETPLANE_SOAK_MINUTES: String(minutes()) }
  const argv = [path.resolve(import.meta.dirname, '../run.mjs'), 'soak']
  process.exitCode = spawnSync(process.execPath, argv, { stdio: 'inherit', env }).status ?? 1
} catch (error) {
  console.error(`${error.message}\n${usage}`)
  process.exitCode = 2
}
