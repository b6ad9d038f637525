import { statSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { ChildArguments, ChildReport } from './frame/child-task.js'
import { heapBytes, measureWork } from './frame/self-measure.js'
import { loadNetplane } from './frame/netplane.js'
import { openSubject } from './subjects/index.js'

const { root, threadClock, task } = JSON.parse(process.argv[2] ?? '') as ChildArguments
const netplane = await loadNetplane(root)
const emptyBytes = heapBytes()
const session = await openSubject(task.subject, netplane, task.netns, task.options as never)
if (task.kind === 'record') {
  const size = (): number => statSync(task.recording, { throwIfNoEntry: false })?.size ?? 0
  const from = size()
  await session.work()
  console.log(JSON.stringify([from, size()]))
} else {
  const clock = createRequire(import.meta.url)(threadClock) as { threadCpuNs: () => number }
  const report = await measureWork(clock.threadCpuNs, emptyBytes, task.turns, () => session.work())
  console.log(JSON.stringify({ ...report, figures: session.figures?.() ?? {} } satisfies ChildReport))
}
await session.close()
