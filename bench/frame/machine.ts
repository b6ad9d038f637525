import { readFileSync } from 'node:fs'
import os from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'

/** Idle and total processor time since boot, in clock ticks, all processors (the first line of /proc/stat, proc(5)). */
export function parseStat(text: string): { idle: number; total: number } {
  const line = /^cpu +(.*)$/m.exec(text)?.[1]
  if (line === undefined) throw new Error('/proc/stat has no line `cpu`')
  // user nice system idle iowait irq softirq steal; the guest columns after them are part of user.
  const ticks = line.split(' ').slice(0, 8).map(Number)
  return { idle: (ticks[3] ?? 0) + (ticks[4] ?? 0), total: ticks.reduce((sum, value) => sum + value, 0) }
}

/** The busy share of all processors, 0 to 1, over the next `milliseconds`. */
export async function busyShare(milliseconds: number): Promise<number> {
  const before = parseStat(readFileSync('/proc/stat', 'utf8'))
  await sleep(milliseconds)
  const after = parseStat(readFileSync('/proc/stat', 'utf8'))
  const total = after.total - before.total
  return total === 0 ? 0 : 1 - (after.idle - before.idle) / total
}

/** Memory that the kernel has allocated for itself: slabs, and what is mapped by vmalloc, as large hash tables are (/proc/meminfo, proc(5)). */
export function kernelMemoryBytes(text = readFileSync('/proc/meminfo', 'utf8')): number {
  return ['SUnreclaim', 'VmallocUsed'].reduce((sum, field) => {
    const value = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(text)?.[1]
    if (value === undefined) throw new Error(`/proc/meminfo has no ${field}`)
    return sum + Number(value) * 1024
  }, 0)
}

/** Whether this is a User-Mode Linux. */
export function isUserModeLinux(): boolean {
  return readFileSync('/proc/cpuinfo', 'utf8').includes('User Mode Linux')
}

/** Share of the machine that is busy without us, above which ratios begin to scatter. */
const busyLimit = 0.15

/**
 * Waits until the machine rests: the kernel frees a removed namespace in the background, and that must not fall into the next run. Gives up
 * after two seconds, as others may keep it busy for ever; returns whether it came to rest.
 */
export async function settle(): Promise<boolean> {
  const end = performance.now() + 2000
  while (performance.now() < end) {
    if ((await busyShare(60)) < busyLimit) return true
  }
  return false
}

/** What figures depend on: the machine in a line, its load, and a warning where it is busy. */
export interface Machine {
  /** Kernel, processors, memory. */
  readonly hardware: string
  /** The load averages of the last 1, 5 and 15 minutes. */
  readonly load: string
  readonly warning: string | undefined
}

/** The machine that a machine of the lab runs on, in words, and whether that emulates the processor. */
export function describeHost(model: string, host: string | undefined): string {
  if (host === undefined) return ''
  return model.includes('QEMU TCG') ? `, emulated on ${host}` : `, on ${host}`
}

export async function describeMachine(): Promise<Machine> {
  const model = os.cpus()[0]?.model ?? 'unknown'
  const memory = `${(os.totalmem() / 2 ** 30).toFixed(1)} GiB`
  const hardware = `Linux ${os.release()}, ${os.cpus().length} × ${model}, ${memory}${describeHost(model, process.env.NETPLANE_BENCH_HOST)}`
  const load = os
    .loadavg()
    .map((value) => value.toFixed(2))
    .join(' ')
  const busy = await busyShare(500)
  const warning =
    busy > busyLimit
      ? `${Math.round(busy * 100)} % of this machine is busy with something else: look at ratios only, and doubt those`
      : undefined
  return { hardware, load, warning }
}
