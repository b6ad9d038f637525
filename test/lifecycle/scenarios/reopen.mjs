// Many sockets and monitors, opened and closed: no descriptor stays.
import assert from 'node:assert/strict'
import { addon, deadlineMs, monitor, open, sockets, untilSockets, valueOf } from './support.mjs'

const before = sockets()
for (let round = 0; round < 20; round += 1) {
  const opened = await Promise.all([
    ...Array.from({ length: 10 }, () => open()),
    ...Array.from({ length: 5 }, () => monitor([])),
    addon.openRoute({ deadlineMs }).then(valueOf),
    addon.monitorRoute({ deadlineMs, links: true, addresses: true }, () => undefined).then(valueOf)
  ])
  assert.equal(sockets(), before + opened.length)
  const failed = await addon.openNftables({ netns: '/nowhere', deadlineMs })
  assert.equal(failed.failure.errno, 2)
  const notOne = await addon.monitorNftables({ netns: '/proc/self/status', deadlineMs }, () => undefined)
  assert.equal(notOne.failure.errno, 22)
  for (const each of opened) each.close()
  await untilSockets(before)
}
console.log('ok')
