import { isUserModeLinux } from '../frame/machine.js'
import { asSingleMessages } from '../frame/recordings.js'
import type { Row } from '../frame/row.js'
import { sessionRow, subjectRow } from '../frame/subject-row.js'
import { verifySameState } from '../frame/verify.js'
import { ipvsCalls, ipvsadmScript, type IpvsChangeOptions, type IpvsOptions } from '../subjects/ipvs.js'

const common = { unit: 'ms', requires: 'ipvs', operations: 1 } as const
const size = ({ services, realServers }: IpvsOptions): string => `${services} virtual services with ${realServers} real servers each`

/** `ipvsadm -R` reads its standard input. */
const restore = (file: string): readonly string[] => ['sh', '-c', `ipvsadm -R < '${file}'`]

/** From objects by `sync`, or from columns by `addServices` and `addRealServers`. */
function loadRow(subject: 'ipvs-sync' | 'ipvs-columns', about: string, options: IpvsOptions): Row {
  return subjectRow({
    ...common,
    name: `${subject}-${options.services}x${options.realServers}`,
    about: `${about}: ${size(options)}, from the call to the resolved promise`,
    bar: { timesFloorAtMost: 1.3, fasterThanPeerAtLeast: { 'ipvsadm -R': isUserModeLinux() ? 6 : 15 } },
    rounds: 9,
    needs: ['ipvsadm'],
    subject,
    options,
    repeat: 1,
    verify: async (bench) => {
      const file = bench.file('verify.ipvs', ipvsadmScript(options))
      await verifySameState(bench, subject, options, { make: () => restore(file), list: ['ipvsadm', '-Sn'], isSorted: true })
    },
    peers: {
      'ipvsadm -R': { command: (file) => restore(file('services.ipvs', ipvsadmScript(options))), afterSetup: false },
      'a message a call, C': { replay: asSingleMessages },
      ...(subject === 'ipvs-sync' && { 'a call an object, Node': { open: ipvsCalls } })
    },
    notes: ({ workBytes }) => [`${(workBytes / 1024).toFixed(0)} KiB of messages`]
  })
}

function listRow(options: IpvsOptions, as: 'objects' | 'columns'): Row {
  return subjectRow({
    ...common,
    name: `ipvs-list-${as}-${options.services}x${options.realServers}`,
    about: `list ${size(options)} as ${as}`,
    bar: { timesFloorAtMost: 2 },
    rounds: 3,
    needs: ['ipvsadm'],
    subject: 'ipvs-list',
    options: { ...options, as },
    repeat: 3,
    peers: { 'ipvsadm -Sn': { command: () => ['ipvsadm', '-Sn'], afterSetup: true } }
  })
}

/** Changes of one run; the first is of code not yet compiled. */
const CHANGES = 4

function changeRow(options: IpvsChangeOptions, bar: Row['bar']): Row {
  const { call, from } = options
  return subjectRow({
    ...common,
    name: `ipvs-change-${call}-${from}-${options.services}x${options.realServers}`,
    about: `${call} with one changed weight among ${size(options)}, compared with ${from === 'memory' ? 'what the client remembers' : 'the kernel'}`,
    bar,
    rounds: 3,
    needs: [],
    subject: 'ipvs-change',
    options,
    repeat: CHANGES,
    peers: {}
  })
}

/** A plan from memory sends nothing, so it has no floor. */
function planRow(options: IpvsOptions): Row {
  return sessionRow({
    name: `ipvs-change-plan-memory-${options.services}x${options.realServers}`,
    unit: 'ms',
    about: `plan of one changed weight among ${size(options)}, with the model in memory`,
    bar: { oursAtMost: 50 },
    rounds: 3,
    needs: [],
    requires: 'ipvs',
    subject: 'ipvs-change',
    options: { ...options, call: 'plan', from: 'memory' },
    repeat: CHANGES
  })
}

const many = { services: 10_000, realServers: 10 }

/** Virtual services and real servers: first sync, listing, one change among many. */
export const ipvsRows: readonly Row[] = [
  loadRow('ipvs-sync', 'first sync', { services: 1000, realServers: 10 }),
  loadRow('ipvs-columns', 'bulk addition from columns', { services: 1000, realServers: 10 }),
  listRow(many, 'columns'),
  listRow(many, 'objects'),
  planRow(many),
  changeRow({ ...many, call: 'sync', from: 'memory' }, { timesFloorAtMost: 2, plusAtMost: 50 }),
  changeRow({ ...many, call: 'plan', from: 'kernel' }, { timesFloorAtMost: 2 })
]
