import { describe, expect, it } from 'vitest'
import { ValidationError } from '../../../../src/core/errors.js'
import { parseRule } from '../../../../src/iptables/text/line.js'
import { printRule } from '../../../../src/iptables/text/print.js'
import { IptablesSyntaxError } from '../../../../src/iptables/text/syntax-error.js'
import type { IptablesFamily } from '../../../../src/iptables/types.js'

function read(text: string, family: IptablesFamily = 'ip') {
  return parseRule(text, { family, table: 'filter' })
}

function again(text: string, family: IptablesFamily = 'ip'): string {
  return printRule(read(text, family), { family, table: 'filter', counters: text.startsWith('[') })
}

describe('a line that iptables-save prints', () => {
  it.each([
    '-A INPUT',
    '-A INPUT -j ACCEPT',
    '-s 10.0.0.0/8 -d 1.2.3.4/32 -i eth0 -o eth1 -p tcp -j DROP',
    '! -s 10.0.0.0/13 ! -d 10.0.0.0/255.0.255.0 ! -i eth+ ! -o e+ ! -p udp -j RETURN',
    '-p 253 -g CHAIN',
    '-p ipv6-icmp -j KUBE-SVC-ABCDEFGH',
    '-f -j QUEUE',
    '! -f',
    '! -i +',
    '-m comment --comment plain_text-1',
    '-m comment --comment "a b" -m comment --comment "\\"quoted\\" \\\\ it\\\'s"',
    '-m comment --comment ""',
    '-m comment --comment "ä.ö" -j MARK --set-xmark 0x4000/0xffffffff',
    '[5:420] -A KUBE-X -j MARK --set-xmark 0x0/0x1',
    '[18446744073709551615:0] -j ACCEPT',
    '-p udp -m udp ! --sport 0:65535 --dport 5',
    '-p tcp -m tcp ! --dport 0:65535',
    '-p icmp -m icmp --icmp-type 255/255',
    '-p icmp -m icmp --icmp-type any',
    '-m unknown --opaque 3:00ff10 -j OTHER --opaque 0:'
  ])('is printed again as it was: %s', (text) => {
    expect(again(text)).toBe(text)
  })

  it.each(['-s fd00::/16 ! -d fd00::1/128 -p ipv6-icmp -j ACCEPT', '-s fd00::1/ffff::ffff -p esp', '! -s ::ffff:1.2.3.4/128'])(
    'of IPv6 is printed again as it was: %s',
    (text) => {
      expect(again(text, 'ip6')).toBe(text)
    }
  )
})

describe('a line that people write', () => {
  it.each([
    ['--source 10.1.2.3/8 --dst 1.2.3.4', '-s 10.0.0.0/8 -d 1.2.3.4/32'],
    ['-j ACCEPT -p TCP', '-p tcp -j ACCEPT'],
    ['-p 6', '-p tcp'],
    ['-p 0x11', '-p udp'],
    ['-p all', ''],
    ['-s 0.0.0.0/0 -i +', ''],
    ['-s 10.0.0.1/255.255.0.0', '-s 10.0.0.0/16'],
    ['--in-interface=eth0 --protocol=udp', '-i eth0 -p udp'],
    ['-ieth0 -pudp -jDROP', '-i eth0 -p udp -j DROP'],
    ['  -m   comment --comment=x\t-j  DROP ', '-m comment --comment x -j DROP'],
    ['-m comment --comment "-j ACCEPT"', '-m comment --comment "-j ACCEPT"'],
    ['-m comment --comment -x', '-m comment --comment -x'],
    ['-m comment --comment a"b c"d', '-m comment --comment "ab cd"'],
    ['-j MARK --set-mark 5', '-j MARK --set-xmark 0x5/0xffffffff'],
    ['-j MARK --set-mark 0x5/0x8', '-j MARK --set-xmark 0x5/0xd'],
    ['-j MARK --and-mark 0xff', '-j MARK --set-xmark 0x0/0xffffff00'],
    ['-j MARK --or-mark 010', '-j MARK --set-xmark 0x8/0x8'],
    ['-j MARK --xor-mark 1', '-j MARK --set-xmark 0x1/0x0'],
    ['-p udp -m udp --sport 0:65535', '-p udp -m udp'],
    ['-p icmp -m icmp --icmp-type info-request', '-p icmp -m icmp --icmp-type 15'],
    ['-c 3 4 -j ACCEPT', '-j ACCEPT'],
    ['-c 3,4 -j ACCEPT', '-j ACCEPT'],
    ['--jump MARK --set-xmark 0x1', '-j MARK --set-xmark 0x1/0xffffffff']
  ])('%s is %s', (text, printed) => {
    expect(again(text)).toBe(printed)
  })

  it('gives counters', () => {
    expect(read('-c 3 4').counters).toEqual({ packets: 3n, bytes: 4n })
    expect(read('[1:2] -A X').counters).toEqual({ packets: 1n, bytes: 2n })
    expect(read('-A X').counters).toEqual({ packets: 0n, bytes: 0n })
  })
})

describe('a line that is wrong', () => {
  it.each([
    ['-A', 3, 'a chain after -A'],
    ['-s', 3, 'an address after -s'],
    ['-s 10.0.0', 4, 'addresses of IPv4'],
    ['-s fd00::1', 4, 'addresses of IPv4'],
    ['-s 10.0.0.1/33', 4, 'addresses of IPv4'],
    ['! -s 1.1.1.1,2.2.2.2', 6, 'one address'],
    ['-s 1.1.1.1,2.2.2.2', 1, 'one source'],
    ['-s 1.1.1.1 -s 2.2.2.2', 12, '-s once'],
    ['-p nothing', 4, 'a protocol'],
    ['-p 256', 4, 'a protocol'],
    ['! -p all', 6, 'a protocol'],
    ['-i abcdefghijklmnop', 4, 'the name of a link'],
    ['-i ""', 4, 'the name of a link'],
    ['-m nothing', 4, 'a match that there are words for'],
    ['--comment x', 1, '--comment belongs to -m comment'],
    ['-m comment', 4, '--comment TEXT'],
    ['-m comment --comment', 21, 'a value after --comment'],
    ['-m comment ! --comment x', 14, '--comment without !'],
    ['-p tcp --nonsense', 8, 'an option of iptables'],
    ['-j ACCEPT -j DROP', 11, '-j once'],
    ['-j ACCEPT -g X', 11, '-g once'],
    ['! -j ACCEPT', 1, '-j without !'],
    ['!', 2, 'an option after !'],
    ['stray', 1, 'an option'],
    ['"-j" ACCEPT', 1, 'an option'],
    ['-A INPUT -A OUTPUT', 10, 'one command'],
    ['-D INPUT', 1, '-A or no command'],
    ['-j ABCDEFGHIJKLMNOPQRSTUVWXYZABC', 4, '1 to 28 bytes'],
    ['-m comment --comment "open', 22, 'quotation marks'],
    ['-j MARK', 4, '--set-xmark'],
    ['-j MARK --set-mark x', 20, 'a number of 32 bits'],
    ['-j MARK --set-mark 4294967296', 20, 'a number of 32 bits'],
    ['-j MARK --set-mark 1 --or-mark 1', 22, 'one option of MARK'],
    ['[1] -A X', 1, '[PACKETS:BYTES]'],
    ['-c x 4', 4, 'packets and bytes'],
    ['-m a --opaque 256:00', 15, 'a revision'],
    ['-m a --opaque 1:0', 15, 'a revision']
  ])('%s says that column %i needs %s', (text, column, allowed) => {
    const attempt = (): unknown => read(text)
    expect(attempt).toThrow(IptablesSyntaxError)
    expect(attempt).toThrow(ValidationError)
    try {
      attempt()
    } catch (error) {
      expect(error).toMatchObject({ line: 1, column, code: 'ERR_NETPLANE_VALIDATION' })
      expect((error as IptablesSyntaxError).allowed).toContain(allowed)
    }
  })

  it('refuses fragments in IPv6', () => {
    expect(() => read('-f', 'ip6')).toThrow('no -f in family ip6')
  })

  it('takes a comment of 255 bytes and no longer one', () => {
    expect(again(`-m comment --comment ${'x'.repeat(255)}`)).toHaveLength(276)
    expect(() => read(`-m comment --comment ${'x'.repeat(256)}`)).toThrow('at most 255 bytes')
  })
})
