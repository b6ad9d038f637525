import { once } from 'node:events'
import type { Socket } from 'node:net'
import { readdirSync, readlinkSync } from 'node:fs'
import { expect, test } from 'vitest'
import { RESTART_MS, startWorker } from '../../../src/plane/userspace/relays/threads/carriers.js'
import type { ThreadPort } from '../../../src/plane/userspace/relays/threads/thread.js'
import type { RelayEvent, RelayOptions, Relays } from '../../../src/plane/userspace/relays/types.js'
import { startTestThread, withReadyThreads } from '../../support/carrier-threads.js'
import { ask, dial, fate, readAll, relays, serve, serveName, spec, until } from '../../support/relay-sockets.js'

interface Scene {
  readonly all: Relays
  readonly events: readonly RelayEvent[]
  /** Those that were started, the last one last. */
  readonly threads: readonly ThreadPort[]
}

function scene(options: RelayOptions, start: () => ThreadPort = startWorker): Scene {
  const threads: ThreadPort[] = []
  const opened = withReadyThreads(start, (startThread) =>
    relays(options, {
      startThread: () => {
        const thread = startThread()
        threads.push(thread)
        return thread
      }
    })
  )
  return { ...opened, threads }
}

/** The sockets of the process. Each thread has some other descriptors of its own. */
function openSockets(): string[] {
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      const file = readlinkSync(`/proc/self/fd/${fd}`)
      return file.startsWith('socket:') ? [`${fd} ${file}`] : []
    } catch {
      // That of the folder, which is closed.
      return []
    }
  })
}

/** Something has come back, so that the connection is carried. */
async function exchanged(client: Socket, text: string): Promise<void> {
  const answer = once(client, 'data')
  client.write(text)
  expect(String((await answer)[0])).toBe(text)
}

const errorsIn = (events: readonly RelayEvent[]): string[] =>
  events.flatMap((event) => (event.type === 'error' ? [event.error.message] : []))

test('connections are shared out among threads, and those of one that ends are reset and told, the others not', async () => {
  const { port } = await serve()
  const { all, events, threads } = scene({ threads: 2, logsConnections: true })
  const listening = await all.listen(spec([port]))
  const clients: Socket[] = []
  for (let count = 0; count < 6; count++) {
    const client = await dial(listening)
    await exchanged(client, 'hello')
    clients.push(client)
  }
  const fates = clients.map((client) => fate(client))
  await threads[0]!.terminate()
  await until(() => expect(errorsIn(events)).toHaveLength(1))
  expect(errorsIn(events)[0]).toBe(
    'thread 1 of the relays has ended (it was terminated): 3 connections were reset with it; another one begins in 1 s'
  )
  const lost = await Promise.all([0, 2, 4].map((index) => fates[index]!))
  expect(lost).toEqual(['ECONNRESET', 'ECONNRESET', 'ECONNRESET'])
  expect(events.filter((event) => event.type === 'connection')).toMatchObject(
    lost.map(() => ({ ending: 'lost', endpoint: `127.0.0.1:${port}` }))
  )
  await until(() => expect(all.status()[0]).toMatchObject({ connections: 6, openConnections: 3 }))
  // The others go on, and new ones are carried by whoever is there.
  await exchanged(clients[1]!, 'more')
  expect(await ask(listening)).toBe('')
  await new Promise((resolve) => setTimeout(resolve, RESTART_MS))
  await until(() => expect(threads).toHaveLength(3))
  expect(await ask(listening)).toBe('')
  await all.close()
  expect(all.status()).toEqual([])
})

test('a thread that has no descriptors leaves a connection to the thread of the plane, also while it drains', async () => {
  const { port } = await serve()
  const { all, events } = scene({ threads: 1, logsConnections: true }, () => startTestThread({ duplicate: () => -24 }))
  const listening = await all.listen(spec([port], { drainSeconds: 0 }))
  const client = await dial(listening)
  await exchanged(client, 'hello')
  const ended = fate(client)
  all.update(spec([], { listenPort: listening, drainSeconds: 0 }))
  expect(await ended).toBe('ECONNRESET')
  await until(() => expect(events).toMatchObject([{ type: 'connection', ending: 'drained', bytesFromClient: 5, bytesToClient: 5 }]))
})

test('threads that cannot begin are told, tried again later each time, and missed by no connection', async () => {
  const { port } = await serveName('alive')
  let starts = 0
  const { all, events } = relays(
    { threads: 1 },
    {
      startThread: () => {
        starts++
        throw new Error('there is no such file')
      }
    }
  )
  expect(await ask(await all.listen(spec([port])))).toBe('alive')
  await new Promise((resolve) => setTimeout(resolve, RESTART_MS * 1.5))
  expect(starts).toBe(2)
  const told = (seconds: number): string =>
    `thread 1 of the relays has ended (there is no such file): 0 connections were reset with it; another one begins in ${seconds} s`
  expect(errorsIn(events)).toEqual([told(1), told(2)])
})

test('an endpoint that goes ends what threads carry to it, and all descriptors are given back', async () => {
  const { port } = await serve((socket) => socket.resume())
  const { all } = scene({ threads: 2 })
  const listening = await all.listen(spec([port], { drainSeconds: 0 }))
  const before = openSockets()
  const clients = await Promise.all(Array.from({ length: 20 }, () => dial(listening)))
  await until(() => expect(all.status()[0]!.openConnections).toBe(20))
  const fates = clients.map((client) => fate(client))
  all.update(spec([], { listenPort: listening, drainSeconds: 0 }))
  expect(new Set(await Promise.all(fates))).toEqual(new Set(['ECONNRESET']))
  await until(() => expect(all.status()[0]!.openConnections).toBe(0))
  await until(() => expect(openSockets()).toEqual(before))
})

test('what is carried is counted while it is open', async () => {
  const { port } = await serve()
  const { all } = scene({ threads: 1 })
  const client = await dial(await all.listen(spec([port])))
  await exchanged(client, 'hello')
  await until(() => expect(all.status()[0]).toMatchObject({ bytesFromClients: 5, bytesToClients: 5, openConnections: 1 }))
  client.end()
  expect(await readAll(client)).toBe('')
})

test('a connection that is to end before its thread has declined it ends', async () => {
  const { port } = await serve()
  const begun = { listening: 0 }
  const duplicate = (): number => {
    all.update(spec([], { listenPort: begun.listening, drainSeconds: 0 }))
    return -1
  }
  const { all, events } = scene({ threads: 1, logsConnections: true }, () => startTestThread({ duplicate }))
  begun.listening = await all.listen(spec([port]))
  expect(await fate(await dial(begun.listening))).toBe('ECONNRESET')
  await until(() => expect(all.status()[0]).toMatchObject({ connections: 1, openConnections: 0 }))
  expect(events).toMatchObject([{ type: 'connection', ending: 'drained' }])
})

test('threads do not keep the process alive', async () => {
  const count = (): number => process.getActiveResourcesInfo().filter((resource) => resource === 'MessagePort').length
  const before = count()
  const { port } = await serve()
  const { all } = relays({ threads: 2 }, { startThread: startWorker })
  await exchanged(await dial(await all.listen(spec([port]))), 'hello')
  expect(count()).toBe(before)
})
