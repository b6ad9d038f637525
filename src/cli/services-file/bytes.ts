/**
 * The bytes of a file, which a signal does not have to wait for.
 */
import { close, constants, fstat, open, readFile } from 'node:fs'
import { Socket } from 'node:net'
import { isatty, ReadStream as TerminalStream } from 'node:tty'
import { promisify } from 'node:util'

const openFile = promisify(open)
const closeFile = promisify(close)
const statFile = promisify(fstat)
const readWhole = promisify(readFile)

/** Reads until the end, or until a signal ends the command. */
export async function readToEnd(source: AsyncIterable<unknown>, signal: AbortSignal): Promise<Buffer> {
  signal.throwIfAborted()
  const chunks: Buffer[] = []
  const aborted = new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true }))
  const read = async (): Promise<void> => {
    for await (const chunk of source) chunks.push(Buffer.from(chunk as Uint8Array))
  }
  await Promise.race([read(), aborted])
  return Buffer.concat(chunks)
}

/** A stream of what may let its reader wait: a FIFO or a terminal. A thread that waited in read(2) would keep the process from ending. */
async function waitingStream(fd: number): Promise<Socket | undefined> {
  const stats = await statFile(fd)
  if (stats.isFIFO()) return new Socket({ fd, readable: true, writable: false })
  return stats.isCharacterDevice() && isatty(fd) ? new TerminalStream(fd) : undefined
}

/**
 * Reads a file.
 *
 * @param signal Ends the wait for a writer, too; its reason is thrown.
 * @throws {Error} It cannot be read.
 */
export async function readBytes(file: string, signal: AbortSignal): Promise<Buffer> {
  // Without O_NONBLOCK a FIFO is open only when it has a writer.
  const fd = await openFile(file, constants.O_RDONLY | constants.O_NONBLOCK)
  const stream = await waitingStream(fd)
  if (stream !== undefined)
    try {
      return await readToEnd(stream, signal)
    } finally {
      stream.destroy()
    }
  try {
    return await readWhole(fd, { signal })
  } finally {
    await closeFile(fd)
  }
}
