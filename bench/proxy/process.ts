import { readFile } from 'node:fs/promises'

/** Memory of a process, in MiB. */
export interface ProcessMemory {
  readonly residentMiB: number
  /** At most so far. */
  readonly peakMiB: number
}

/** Reads the memory in the text of `/proc/PID/status`. */
export function parseMemory(status: string): ProcessMemory {
  const read = (field: string): number => {
    const value = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1]
    if (value === undefined) throw new Error(`/proc/PID/status has no ${field}`)
    return Number(value) / 1024
  }
  return { residentMiB: read('VmRSS'), peakMiB: read('VmHWM') }
}

export const memoryOf = async (pid: number): Promise<ProcessMemory> => parseMemory(await readFile(`/proc/${pid}/status`, 'utf8'))

/** Milliseconds of a clock tick of /proc (USER_HZ is 100 everywhere). */
const tickMs = 10

/** Reads the processor time in the text of `/proc/PID/stat`, in milliseconds, without that of programs that it has run. */
export function parseProcessorMs(stat: string): number {
  // The name of the program may have blanks and parentheses. utime and stime are the fields 14 and 15 (proc(5)).
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) * tickMs
}

export const processorMsOf = async (pid: number): Promise<number> => parseProcessorMs(await readFile(`/proc/${pid}/stat`, 'utf8'))
