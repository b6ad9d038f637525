/**
 * Services in a file: a line that says what it is, a line of JSON for each service, and a last line with their number and a checksum of all before.
 */
import { createHash } from 'node:crypto'
import { constants } from 'node:fs'
import { lstat, open, rename, rm, type FileHandle } from 'node:fs/promises'
import path from 'node:path'
import { isText } from '../../core/checks.js'
import { NetplaneError, ValidationError } from '../../core/errors.js'
import { Slices } from '../../core/slices.js'
import type { Service, Services } from '../model.js'

/** Version of the form. Another one is not read. */
const VERSION = 1

const HEADER = `${JSON.stringify({ netplane: 'services', version: VERSION })}\n`

/** Longest path without the byte that ends it, PATH_MAX in include/uapi/linux/limits.h. */
const MAX_PATH = 4095

const LINE_FEED = 10

/** Characters that are written at a time. */
const CHUNK = 65_536

/** Owner alone: what services there are is nobody else's business. */
const MODE = 0o600

/** The file that takes the place of the other one once it is whole. It is new: what somebody left under its name would have other owners and rights, or be a link or a pipe. */
const NEW = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW

/** A pipe that nobody writes into would be waited for. */
const EXISTING = constants.O_RDONLY | constants.O_NONBLOCK

function stateError(file: string, reason: string, cause?: unknown): NetplaneError {
  return new NetplaneError('ERR_NETPLANE_STATE_FILE', `${file}: ${reason}`, { cause })
}

function failedTo(file: string, verb: string, error: unknown): NetplaneError {
  return stateError(file, `cannot be ${verb}: ${(error as Error).message}`, error)
}

/** Checks the path of a file. @throws {ValidationError} */
export function checkStateFile(name: string, file: unknown): string {
  if (!isText(file, MAX_PATH) || file === '') throw new ValidationError(name, file, `the path of a file, 1–${MAX_PATH} bytes without NUL`)
  return path.resolve(file)
}

const besides = (file: string): string => `${file}.new`

/** The last that is done with each file: while a plane goes on in another mode, two keepers may have the same one. */
const turns = new Map<string, Promise<unknown>>()

async function inTurn(file: string, work: () => Promise<void>): Promise<void> {
  const turn = (turns.get(file) ?? Promise.resolve()).then(work)
  const done = turn.catch(() => undefined)
  turns.set(file, done)
  try {
    await turn
  } finally {
    if (turns.get(file) === done) turns.delete(file)
  }
}

async function writeWhole(handle: FileHandle, services: readonly Service[]): Promise<void> {
  const hash = createHash('sha256')
  const slices = new Slices()
  let chunk = HEADER
  const flush = async (): Promise<void> => {
    hash.update(chunk)
    await handle.writeFile(chunk)
    chunk = ''
  }
  for (const service of services) {
    chunk += `${JSON.stringify(service)}\n`
    if (chunk.length >= CHUNK) await flush()
    if (slices.isOver) await slices.turn()
  }
  await flush()
  await handle.writeFile(`${JSON.stringify({ services: services.length, sha256: hash.digest('hex') })}\n`)
  await handle.sync()
}

/** Makes the new name last: it is the folder that has it. */
async function syncFolder(file: string): Promise<void> {
  const folder = await open(path.dirname(file), constants.O_RDONLY | constants.O_DIRECTORY)
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

/** Another process that writes the same file has removed what this one wrote. */
async function requireOwn(handle: FileHandle, file: string): Promise<void> {
  const [own, found] = [await handle.stat(), await lstat(besides(file))]
  if (own.dev !== found.dev || own.ino !== found.ino) throw new Error('another process writes it, too')
}

async function replace(file: string, services: readonly Service[]): Promise<void> {
  await rm(besides(file), { force: true })
  const handle = await open(besides(file), NEW, MODE)
  try {
    await writeWhole(handle, services)
    await requireOwn(handle, file)
    await rename(besides(file), file)
  } finally {
    await handle.close()
  }
  await syncFolder(file)
}

/**
 * Writes services: the file holds all of them, or what it held before, whenever the machine stops.
 *
 * @throws {NetplaneError} `ERR_NETPLANE_STATE_FILE`: it cannot be written; `cause` is the error of the file system.
 */
export async function writeServices(file: string, services: readonly Service[]): Promise<void> {
  try {
    await inTurn(file, () => replace(file, services))
  } catch (error) {
    throw failedTo(file, 'written', error)
  }
}

/** Removes the file, and one that was not finished. @throws {NetplaneError} `ERR_NETPLANE_STATE_FILE` */
export async function removeServices(file: string): Promise<void> {
  try {
    await inTurn(file, async () => {
      for (const name of [file, besides(file)]) await rm(name, { force: true })
    })
  } catch (error) {
    throw failedTo(file, 'removed', error)
  }
}

/** Visits the lines of a text, which all end with a line feed; the event loop turns in between. */
async function eachLine(content: Buffer, visit: (line: Buffer, index: number) => void): Promise<void> {
  const slices = new Slices()
  let start = 0
  for (let index = 0; start < content.length; index++) {
    const end = content.indexOf(LINE_FEED, start) + 1
    visit(content.subarray(start, end), index)
    start = end
    if (slices.isOver) await slices.turn()
  }
}

function parseLine(line: Buffer): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(line.toString())
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}

async function parse(file: string, content: Buffer): Promise<Services> {
  if (content.at(-1) !== LINE_FEED) throw stateError(file, 'is damaged: its end is missing')
  const end = content.lastIndexOf(LINE_FEED, -2) + 1
  const services = new Map<string, Service>()
  const hash = createHash('sha256')
  await eachLine(content.subarray(0, end), (line, index) => {
    hash.update(line)
    if (index === 0) return checkHeader(file, line)
    const service = parseLine(line)
    if (typeof service?.name !== 'string') throw stateError(file, `is damaged: line ${index + 1} is no service`)
    services.set(service.name, service as unknown as Service)
  })
  const last = parseLine(content.subarray(end))
  if (last?.services !== services.size) throw stateError(file, 'is damaged: it does not hold as many services as were written')
  if (last.sha256 !== hash.digest('hex')) throw stateError(file, 'is damaged: its checksum is wrong')
  return services
}

function checkHeader(file: string, line: Buffer): void {
  const header = parseLine(line)
  if (header?.netplane !== 'services') throw stateError(file, 'is no file of services')
  if (header.version !== VERSION) throw stateError(file, `has version ${String(header.version)}, and ${VERSION} is known`)
}

/** What a file holds. Folders and what else is no file are refused: some of it has no end. */
async function contentOf(file: string): Promise<Buffer> {
  const handle = await open(file, EXISTING)
  try {
    const found = await handle.stat()
    if (!found.isFile() && !found.isDirectory()) throw new Error('it is no regular file')
    return await handle.readFile()
  } finally {
    await handle.close()
  }
}

/**
 * Reads the services that a plane with option `stateFile` has written, for its successor to sync before anybody else says what should be. They are checked by `sync`, as all are.
 *
 * @param file Its path.
 * @returns Undefined where there is no such file.
 * @throws {ValidationError} `file` is no path.
 * @throws {NetplaneError} `ERR_NETPLANE_STATE_FILE`: the file is damaged, is of another version, or cannot be read; the message says which, and `cause` is the error of the file system. It is left as it is.
 */
export async function readStateFile(file: string): Promise<Services | undefined> {
  const checked = checkStateFile('file', file)
  let content: Buffer
  try {
    content = await contentOf(checked)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw failedTo(checked, 'read', error)
  }
  return await parse(checked, content)
}
