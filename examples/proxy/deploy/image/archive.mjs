// An OCI archive of one layer, written with no more than tar: for machines without podman.
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'
import { gzipSync } from 'node:zlib'
import { ImageError } from './failure.mjs'

const ARCHITECTURES = { x64: 'amd64', arm64: 'arm64' }

/** The same bytes whoever makes it, and whenever. */
const REPRODUCIBLE = ['--sort=name', '--mtime=@0', '--owner=0', '--group=0', '--numeric-owner', '--mode=u=rwX,go=rX', '--format=ustar']

function tar(folder, file) {
  try {
    execFileSync('tar', [...REPRODUCIBLE, '-C', folder, '-cf', file, '.'], { stdio: ['ignore', 'ignore', 'pipe'], encoding: 'utf8' })
  } catch (error) {
    if (error.code === 'ENOENT') throw new ImageError('neither podman nor tar is there, one of which makes the image')
    throw new ImageError(`tar: ${(error.stderr ?? error.message).trim()}`)
  }
}

const digestOf = (bytes) => createHash('sha256').update(bytes).digest('hex')

/** Puts bytes, or an object as JSON, among the blobs. */
function addBlob(folder, mediaType, content) {
  const bytes = Buffer.isBuffer(content) ? content : Buffer.from(JSON.stringify(content))
  const digest = digestOf(bytes)
  writeFileSync(path.join(folder, 'blobs', 'sha256', digest), bytes)
  return { mediaType, digest: `sha256:${digest}`, size: bytes.length }
}

/** The root file system as one layer; also the digest of what is packed in it. */
function addLayer(folder, root) {
  const file = path.join(folder, 'layer.tar')
  tar(root, file)
  const bytes = readFileSync(file)
  rmSync(file)
  return {
    layer: addBlob(folder, 'application/vnd.oci.image.layer.v1.tar+gzip', gzipSync(bytes, { level: 1 })),
    content: `sha256:${digestOf(bytes)}`
  }
}

/**
 * Writes the archive.
 * @param {{ root: string, archive: string, name: string, settings: object }} what `root`: the folder that becomes `/`; `name`: with tag; `settings`: how a
 *   container is started, `config` of the OCI's image specification
 */
export function writeArchive({ root, archive, name, settings }) {
  const architecture = ARCHITECTURES[process.arch]
  if (architecture === undefined)
    throw new ImageError(`there is no image for ${process.arch}: ${Object.keys(ARCHITECTURES).join(' and ')} are known`)
  const folder = mkdtempSync(`${archive}-`)
  try {
    mkdirSync(path.join(folder, 'blobs', 'sha256'), { recursive: true })
    const { layer, content } = addLayer(folder, root)
    const config = addBlob(folder, 'application/vnd.oci.image.config.v1+json', {
      ...{ architecture, os: 'linux', created: '1970-01-01T00:00:00Z', config: settings },
      rootfs: { type: 'layers', diff_ids: [content] }
    })
    const mediaType = 'application/vnd.oci.image.manifest.v1+json'
    const manifest = addBlob(folder, mediaType, { schemaVersion: 2, mediaType, config, layers: [layer] })
    // The first is for podman, the second for containerd.
    const annotations = { 'org.opencontainers.image.ref.name': name, 'io.containerd.image.name': name }
    writeFileSync(path.join(folder, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [{ ...manifest, annotations }] }))
    writeFileSync(path.join(folder, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }))
    tar(folder, archive)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
