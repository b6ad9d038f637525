import { describe, expect, it } from 'vitest'
import { parseSave, printSave } from '../../../../src/iptables/text/save.js'
import type { IptablesTable } from '../../../../src/iptables/state/types.js'
import { IptablesSyntaxError } from '../../../../src/iptables/text/syntax-error.js'

const FILE = `*mangle
:PREROUTING ACCEPT [1:2]
:OUTPUT DROP [0:0]
:KUBE-MARK - [0:0]
[3:4] -A PREROUTING -p tcp -j KUBE-MARK
[0:0] -A KUBE-MARK -m comment --comment "a b" -j MARK --set-xmark 0x4000/0x4000
COMMIT
*filter
:INPUT ACCEPT [0:0]
COMMIT
`

describe('files of iptables-save', () => {
  it('are printed as they were read', () => {
    const tables = parseSave(FILE, { family: 'ip' })
    expect(printSave(tables, { family: 'ip', counters: true })).toBe(FILE)
    expect(printSave(tables, { family: 'ip' })).toBe(FILE.replace(/^\[.*?\] /gm, ''))
    expect(tables[0]).toMatchObject({
      name: 'mangle',
      chains: [
        { name: 'PREROUTING', policy: 'ACCEPT', counters: { packets: 1n, bytes: 2n }, line: 2 },
        { name: 'OUTPUT', policy: 'DROP' },
        { name: 'KUBE-MARK', counters: { packets: 0n } }
      ],
      commands: [{ command: 'append', chain: 'PREROUTING', line: 5, rule: { protocol: 'tcp' } }, { line: 6 }]
    })
    expect(tables[0]!.chains[2]).not.toHaveProperty('policy')
  })

  it('may declare a chain again, which has no rules then, and remove all chains', () => {
    const text = '*nat\n:X - [0:0]\n-A X -j RETURN\n:X - [0:0]\n-X\nCOMMIT\n'
    const [table] = parseSave(text, { family: 'ip' })
    expect(printSave([table!], { family: 'ip' })).toBe('*nat\n:X - [0:0]\n-A X -j RETURN\n-F X\n-X\nCOMMIT\n')
  })

  it('hold other commands, remarks and lines for several rules', () => {
    const text = `# Generated
*nat
:X - [0:0]

-I X 2 -s 1.1.1.1,2.2.2.2 -d 3.3.3.3,4.4.4.4 -j ACCEPT
-D X 1
-D X -j DROP
-R X 3 -p udp
-F X
-F
-Z X 4
-N Y
-E Y Z
-X Z
-P OUTPUT DROP
COMMIT
# Completed
`
    const [table] = parseSave(text, { family: 'ip' })
    expect(printSave([table!], { family: 'ip' })).toBe(`*nat
:X - [0:0]
-I X 2 -s 1.1.1.1/32 -d 3.3.3.3/32 -j ACCEPT
-I X 2 -s 1.1.1.1/32 -d 4.4.4.4/32 -j ACCEPT
-I X 2 -s 2.2.2.2/32 -d 3.3.3.3/32 -j ACCEPT
-I X 2 -s 2.2.2.2/32 -d 4.4.4.4/32 -j ACCEPT
-D X 1
-D X -j DROP
-R X 3 -p udp
-F X
-F
-Z X 4
-N Y
-E Y Z
-X Z
-P OUTPUT DROP
COMMIT
`)
  })

  it.each([
    ['-A INPUT', 1, '*TABLE before it'],
    ['*nothing', 1, 'of a table of iptables'],
    ['*nat', 1, 'COMMIT of table nat'],
    ['*nat\n:INPUT', 2, ':CHAIN POLICY'],
    ['*nat\n:INPUT NO [0:0]', 2, 'ACCEPT, DROP or -'],
    ['*nat\n:X ACCEPT [0:0]', 2, '-'],
    ['*nat\n:X - [0]', 2, '[PACKETS:BYTES]'],
    ['*nat\n:ABCDEFGHIJKLMNOPQRSTUVWXYZABC - [0:0]', 2, '1 to 28 bytes'],
    ['*nat\n-j ACCEPT', 2, 'a command such as -A'],
    ['*nat\n-A X -j ACCEPT\n\n-A X -m nothing', 4, 'a match'],
    ['*nat\n-P OUTPUT WRONG', 2, 'ACCEPT or DROP'],
    ['*nat\n-N X -j ACCEPT', 2, 'nothing behind the chain'],
    ['*nat\n-I X 0', 2, 'a position'],
    ['*nat\n-R X -j ACCEPT', 2, 'a position'],
    ['*nat\n*filter\nCOMMIT', 2, 'an option']
  ])('are refused where they are malformed: %j', (text, line, allowed) => {
    try {
      parseSave(text, { family: 'ip' })
      expect.unreachable()
    } catch (error) {
      expect(error).toBeInstanceOf(IptablesSyntaxError)
      expect(error).toMatchObject({ line })
      expect((error as IptablesSyntaxError).allowed).toContain(allowed)
    }
  })

  it('are not printed of rules that iptables does not know', () => {
    const counters = { packets: 0n, bytes: 0n }
    const rule = { chain: 'INPUT', handle: 4n, foreign: 'the expression ct', counters }
    const table: IptablesTable = {
      family: 'ip',
      name: 'filter',
      chains: [{ name: 'INPUT', policy: 'ACCEPT', counters, exists: true, rules: [rule] }]
    }
    expect(() => printSave([table], { family: 'ip' })).toThrow('chain INPUT, rule 1')
  })
})
