import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'
import { cutterFor, formatOf } from '../../examples/proxy/manifests/cut.js'
import type { CutPiece, Cutter } from '../../examples/proxy/manifests/cutter.js'
import { join as joinPieces, needsWholes, parsePiece, type PlacedPiece } from '../../examples/proxy/manifests/parse.js'
import type { Manifests } from '../../examples/proxy/manifests/types.js'

/** The example proxy, built. */
export const PROXY = fileURLToPath(new URL('../../build/examples/proxy.js', import.meta.url))

/** A folder for manifests that goes with the test. */
export async function makeFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'netplane-manifests-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  return folder
}

/** A service of one port, and where it is served. */
export function manifest(name: string, address: string, ...endpoints: string[]): string {
  return `
kind: Service
metadata: { name: ${name} }
spec: { clusterIP: ${address}, ports: [{ port: 80 }] }
---
kind: EndpointSlice
metadata: { name: ${name}-1, labels: { kubernetes.io/service-name: ${name} } }
addressType: IPv4
ports: [{ port: 8080 }]
endpoints: [${endpoints.map((endpoint) => `{ addresses: [${endpoint}] }`).join(', ')}]
`
}

/** What a file of this name and text holds. @param chunkBytes How many bytes of it come at once; default: all. */
export function parseManifests(file: string, text: string, chunkBytes = Infinity): Manifests {
  const format = formatOf(file)
  const bytes = Buffer.from(text)
  const read = (cutter: Cutter): PlacedPiece[] => {
    const pieces: CutPiece[] = []
    for (let from = 0; from < bytes.length; from += chunkBytes) pieces.push(...cutter.add(bytes.subarray(from, from + chunkBytes)))
    return [...pieces, ...cutter.end()].map(({ bytes, ...place }) => ({ piece: parsePiece(format, bytes.toString()), ...place }))
  }
  const cutter = cutterFor(format)
  const pieces = read(cutter)
  return joinPieces(file, needsWholes(cutter, pieces) ? read(cutterFor(format, 'documents')) : pieces)
}
