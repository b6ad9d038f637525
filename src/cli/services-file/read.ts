/**
 * Where services are read from.
 */
import { readFile } from 'node:fs/promises'
import type { CommandEnvironment } from '../environment.js'
import { CommandError, STATUS } from '../errors.js'
import { ServicesDocument } from './document.js'

/** What stands for standard input. */
const STANDARD_INPUT = '-'

/** Until its end, or until a signal ends the command. */
async function readAll({ stdin, signal }: CommandEnvironment): Promise<Buffer> {
  const chunks: Buffer[] = []
  const aborted = new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true }))
  const read = async (): Promise<void> => {
    for await (const chunk of stdin) chunks.push(Buffer.from(chunk as Uint8Array))
  }
  await Promise.race([read(), aborted])
  return Buffer.concat(chunks)
}

/** UTF-8, and nothing else: other bytes would silently become other names. */
function decode(file: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (error) {
    throw new CommandError(STATUS.usage, `${file}: is not UTF-8`, { cause: error })
  }
}

/**
 * Reads the services of a file.
 *
 * @param file Its path; `-` is standard input.
 * @throws {CommandError} It cannot be read.
 * @throws {ServicesFileError} It holds something else than well-formed services.
 */
export async function readServicesFile(environment: CommandEnvironment, file: string): Promise<ServicesDocument> {
  if (file === STANDARD_INPUT) return await ServicesDocument.parse('standard input', decode('standard input', await readAll(environment)))
  let bytes: Buffer
  try {
    bytes = await readFile(file)
  } catch (error) {
    throw new CommandError(STATUS.usage, `${file}: cannot be read: ${(error as Error).message}`, { cause: error })
  }
  return await ServicesDocument.parse(file, decode(file, bytes))
}
