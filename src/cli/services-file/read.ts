/**
 * Where services are read from.
 */
import type { CommandEnvironment } from '../environment.js'
import { CommandError, STATUS } from '../errors.js'
import { readBytes, readToEnd } from './bytes.js'
import { ServicesDocument } from './document.js'

/** What stands for standard input. */
const STANDARD_INPUT = '-'

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
export async function readServicesFile({ stdin, signal }: CommandEnvironment, file: string): Promise<ServicesDocument> {
  const isInput = file === STANDARD_INPUT
  const name = isInput ? 'standard input' : file
  let bytes: Buffer
  try {
    bytes = await (isInput ? readToEnd(stdin, signal) : readBytes(file, signal))
  } catch (error) {
    signal.throwIfAborted()
    throw new CommandError(STATUS.usage, `${name}: cannot be read: ${(error as Error).message}`, { cause: error })
  }
  return await ServicesDocument.parse(name, decode(name, bytes))
}
