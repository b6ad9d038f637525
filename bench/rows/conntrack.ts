import type { Row } from '../frame/row.js'
import { subjectRow } from '../frame/subject-row.js'
import { requireTableSize, staleArguments, staleFlows } from '../subjects/conntrack-flows.js'
import { withoutFlowIds } from '../subjects/conntrack-recording.js'

const flows = 200_000
const million = 1_000_000
const common = { unit: 'ms', rounds: 5, needs: ['conntrack'], operations: 1 } as const

function listRow(as: 'columns' | 'objects' | 'iterate', count = flows): Row {
  const isLong = count === million
  return subjectRow({
    ...common,
    rounds: isLong ? 1 : common.rounds,
    isLong,
    name: `conntrack-list-${as}-${count}`,
    about: `list ${count} flows as ${as}`,
    bar: { timesFloorAtMost: 2 },
    subject: 'conntrack-list',
    options: { flows: count, as },
    repeat: isLong ? 1 : 3,
    verify: ({ netplane }) => requireTableSize(netplane, count),
    peers: { 'conntrack -L': { command: () => ['conntrack', '-L'], afterSetup: true } },
    notes: (recording) => [`the request is ${recording.workBytes} bytes`]
  })
}

function countRow(by: 'kernel' | 'native'): Row {
  return subjectRow({
    ...common,
    name: `conntrack-count-${by}-${flows}`,
    about: `count ${staleFlows(flows)} of ${flows} flows by a filter that ${by === 'kernel' ? 'the kernel applies but for one condition' : 'only we can apply'}`,
    bar: { timesFloorAtMost: 1.2 },
    subject: 'conntrack-count',
    options: { flows, by },
    repeat: 3,
    peers: { 'conntrack -L': { command: () => ['conntrack', '-L', ...staleArguments], afterSetup: true } }
  })
}

function deleteRow(by: 'kernel' | 'native'): Row {
  return subjectRow({
    ...common,
    name: `conntrack-delete-${by}-${flows}`,
    about: `remove ${staleFlows(flows)} of ${flows} flows by a filter that ${by === 'kernel' ? 'the kernel applies but for one condition' : 'only we can apply'}`,
    // Where the kernel has to give every flow, its own time leaves no room for a factor of three.
    bar: { timesFloorAtMost: 1.2, ...(by === 'kernel' && { fasterThanPeerAtLeast: { 'conntrack -D': 3 } }) },
    subject: 'conntrack-delete',
    options: { flows, by },
    repeat: 1,
    replayable: withoutFlowIds,
    peers: { 'conntrack -D': { command: () => ['conntrack', '-D', ...staleArguments], afterSetup: true } },
    notes: () => ['the floor deletes without ids, which a kernel gives anew; it reads the whole dump first, then deletes']
  })
}

/** Listing, counting and deleting in a table of 200,000 flows. */
export const conntrackRows: readonly Row[] = [
  listRow('columns'),
  listRow('objects'),
  listRow('iterate'),
  listRow('columns', million),
  listRow('iterate', million),
  countRow('kernel'),
  countRow('native'),
  deleteRow('kernel'),
  deleteRow('native')
]
