// Makes the image of the example proxy: `npm run image`. With podman by Containerfile, else as an archive that is written here.
import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'
import { parseArgs } from 'node:util'
import { writeArchive } from './image/archive.mjs'
import { ImageError } from './image/failure.mjs'
import { assembleRoot } from './image/root.mjs'

const repository = path.resolve(import.meta.dirname, '../../..')

const USAGE = `Usage: node examples/proxy/deploy/image.mjs [options]

Makes the image of the example proxy, from what \`npm run build:all\` has built, and an OCI archive of it for \`podman load\` or \`ctr images import\`.

  --output FOLDER    where the build context (context/) and the archive (netplane-proxy.tar) go (default: build/image)
  --name NAME        name of the image with its tag (default: localhost/netplane-proxy:VERSION)
  --builder BUILDER  podman, or none: the archive is written without it (default: podman where it is there)
  --help             this text
`

const OPTIONS = { output: { type: 'string' }, name: { type: 'string' }, builder: { type: 'string' }, help: { type: 'boolean' } }

const version = () => JSON.parse(readFileSync(path.join(repository, 'package.json'), 'utf8')).version

function podman(...args) {
  try {
    return execFileSync('podman', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
  } catch (error) {
    if (error.code === 'ENOENT') throw new ImageError('podman is missing (Debian: podman); --builder none does without it')
    throw new ImageError(`podman ${args.join(' ')}: ${(error.stderr ?? error.message).trim()}`)
  }
}

function hasPodman() {
  try {
    podman('--version')
    return true
  } catch {
    return false
  }
}

/** How Containerfile says that a container is started. */
function settings() {
  const line = /^ENTRYPOINT (.*)$/m.exec(readFileSync(path.join(import.meta.dirname, 'Containerfile'), 'utf8'))
  return { Entrypoint: JSON.parse(line[1]) }
}

const BUILDERS = {
  podman: ({ context, archive, name }) => {
    podman('build', '--quiet', '--network', 'none', '--file', path.join(context, 'Containerfile'), '--tag', name, context)
    podman('save', '--quiet', '--format', 'oci-archive', '--output', archive, name)
  },
  none: ({ context, archive, name }) => writeArchive({ root: path.join(context, 'root'), archive, name, settings: settings() })
}

function readBuilder(value) {
  if (value === undefined) return hasPodman() ? 'podman' : 'none'
  if (Object.hasOwn(BUILDERS, value)) return value
  throw new ImageError(`--builder ${value}: ${Object.keys(BUILDERS).join(' or ')} is wanted`)
}

async function main() {
  const { values } = parseArgs({ options: OPTIONS })
  if (values.help) return console.log(USAGE)
  const { output = path.join(repository, 'build', 'image'), name = `localhost/netplane-proxy:${version()}` } = values
  const builder = readBuilder(values.builder)
  const context = path.join(output, 'context')
  const archive = path.join(output, 'netplane-proxy.tar')
  mkdirSync(output, { recursive: true })
  await assembleRoot({ repository, root: path.join(context, 'root') })
  copyFileSync(path.join(import.meta.dirname, 'Containerfile'), path.join(context, 'Containerfile'))
  // podman refuses to write an archive over another one.
  rmSync(archive, { force: true })
  BUILDERS[builder]({ context, archive, name })
  console.log(`${archive}: ${name}, ${(statSync(archive).size / 1e6).toFixed(0)} MB${builder === 'none' ? ', written without podman' : ''}`)
}

main().catch((error) => {
  // Words for the user; anything else is a fault of this program.
  console.error(error instanceof ImageError || error.code?.startsWith('ERR_PARSE_ARGS') ? error.message : error)
  process.exitCode = 1
})
