import { describe, expect, test } from 'vitest'
import { parseListeners, parseNamespaceMounts } from '../../../bench/frame/listeners.js'

const heading = 'sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode'
const line = (protocol: number, portId: number, groups: string, inode: number): string =>
  `000000007c6be2f2 ${protocol}   ${portId}          ${groups} 0        0        0     2        0        ${inode}       `

describe('listeners in /proc/net/netlink', () => {
  test('a member of the group is found, with its socket', () => {
    expect(parseListeners([heading, line(12, 4711, '00000040', 99), ''].join('\n'))).toEqual([{ portId: 4711, inode: '99' }])
  })

  test('a member of every group is one of this group', () => {
    expect(parseListeners([heading, line(12, 1, 'ffffffff', 5)].join('\n'))).toHaveLength(1)
  })

  test.each([
    ['the same bit of another protocol', line(0, 1, '00000040', 5)],
    ['conntrack groups', line(12, 1, '00000007', 5)],
    ['the neighbouring groups', line(12, 1, '000000a0', 5)],
    ['a socket without groups', line(12, 1, '00000000', 5)]
  ])('%s is no listener', (_, text) => {
    expect(parseListeners([heading, text].join('\n'))).toEqual([])
  })

  test('other column positions are followed, a missing column is an error', () => {
    expect(parseListeners('Inode Groups Eth Pid\n7 00000040 12 3\n')).toEqual([{ portId: 3, inode: '7' }])
    expect(() => parseListeners('sk Eth Pid Rmem Inode\n')).toThrow("no column 'Groups'")
  })
})

describe('network namespaces in mountinfo', () => {
  test('only mounts of network namespaces are found', () => {
    const text = [
      '22 1 0:20 / /proc rw,nosuid - proc proc rw',
      '58 25 0:4 net:[4026532208] /run/netns/blue rw shared:24 - nsfs nsfs rw',
      '59 25 0:4 mnt:[4026532300] /run/mnt/x rw shared:25 - nsfs nsfs rw',
      ''
    ].join('\n')
    expect([...parseNamespaceMounts(text)]).toEqual([['net:[4026532208]', '/run/netns/blue']])
  })
})
