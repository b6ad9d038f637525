/**
 * The bytes of a file, which a signal does not have to wait for.
 */
import { constants, createReadStream, fstat, open } from 'node:fs'
import { Socket } from 'node:net'
import type { Readable } from 'node:stream'
import { isatty, ReadStream as TerminalStream } from 'node:tty'
import { promisify } from 'node:util'
import { getHeapStatistics } from 'node:v8'

const openFile = promisify(open)
const statFile = promisify(fstat)

/** What the parser and the check take of the heap for a byte of a file: 85 were measured for 40,000 services with 10 endpoints each. */
const HEAP_OF_BYTE = 100

/** The longest file for which there is memory: without it the process would crash. */
const MAX_BYTES = Math.floor(getHeapStatistics().heap_size_limit / HEAP_OF_BYTE)

const MEBIBYTE = 1_048_576

const TOO_LONG = `it is larger than ${Math.floor(MAX_BYTES / MEBIBYTE)} MiB, and the heap has room for no more (NODE_OPTIONS=--max-old-space-size=MIB gives it some)`

/** Reads until the end, or until a signal ends the command. @throws {RangeError} There is too much of it, or no end. */
export async function readToEnd(source: AsyncIterable<unknown>, signal: AbortSignal): Promise<Buffer> {
  signal.throwIfAborted()
  const chunks: Buffer[] = []
  const aborted = new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true }))
  const read = async (): Promise<void> => {
    let bytes = 0
    for await (const chunk of source) {
      const part = Buffer.from(chunk as Uint8Array)
      bytes += part.length
      if (bytes > MAX_BYTES) throw new RangeError(TOO_LONG)
      chunks.push(part)
    }
  }
  await Promise.race([read(), aborted])
  return Buffer.concat(chunks)
}

/** What may let its reader wait, a FIFO or a terminal, is polled: a thread that waited in read(2) would keep the process from ending. */
async function streamOf(fd: number): Promise<Readable> {
  const stats = await statFile(fd)
  if (stats.isFIFO()) return new Socket({ fd, readable: true, writable: false })
  return stats.isCharacterDevice() && isatty(fd) ? new TerminalStream(fd) : createReadStream('', { fd })
}

/**
 * Reads a file.
 *
 * @param signal Ends the wait for a writer, too; its reason is thrown.
 * @throws {Error} It cannot be read.
 */
export async function readBytes(file: string, signal: AbortSignal): Promise<Buffer> {
  // Without O_NONBLOCK a FIFO is open only when it has a writer.
  const stream = await streamOf(await openFile(file, constants.O_RDONLY | constants.O_NONBLOCK))
  try {
    return await readToEnd(stream, signal)
  } finally {
    stream.destroy()
  }
}
