import { expect, test } from 'vitest'
import { command } from '../../support/command.js'

const NAMESPACE = 'It must be a name of `ip netns`, a path, or the id of a process, from 1 to 4194304.'
const TARGET = "is invalid for argument 'target'. It must be ADDRESS:PORT, and [ADDRESS]:PORT for IPv6"

test.each([
  [['show', '--netns', '0'], `option '--netns <namespace>' argument '0' is invalid. ${NAMESPACE}`],
  [['show', '--netns', '99999999999'], `option '--netns <namespace>' argument '99999999999' is invalid. ${NAMESPACE}`],
  [['explain', '::1:80'], `'::1:80' ${TARGET}, such as [::1]:80.`],
  [['explain', 'fd00::1'], `'fd00::1' ${TARGET}, such as [fd00::1]:80.`],
  [['explain', '10.0.0.1'], `'10.0.0.1' ${TARGET}, such as 10.0.0.1:80.`],
  [['trace', 'nonsense'], `'nonsense' ${TARGET}.`],
  [['explain', '10.0.0.1:80', '--from', '10.0.0.2', '--interface', 'nolink'], '--interface is "nolink"; allowed: a link that there is: lo'],
  [
    ['drain', '-', 'fd00::1:8080'],
    'no service of the file has an endpoint fd00::1:8080: an IPv6 address with a port stands in brackets, [ADDRESS]:PORT'
  ]
])('%j is refused in one line that says what is allowed', async (args, line) => {
  expect(await command(args, { stdin: 'services: []' })).toEqual({ status: 2, stdout: '', stderr: `netplane: ${line}\n` })
})
