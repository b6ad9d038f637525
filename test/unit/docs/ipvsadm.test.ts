import { readFileSync } from 'node:fs'
import path from 'node:path'
import { Readable } from 'node:stream'
import { expect, it } from 'vitest'
import { SystemNames } from '../../../examples/ipvsadm/names.js'
import { runIpvsadm } from '../../../examples/ipvsadm/run.js'
import { FakeIpvsKernel } from '../../../src/testing.js'
import { examplesOf } from '../../support/examples.js'

const page = 'docs/from-ipvsadm.md'

it('docs/from-ipvsadm.md: the command lines of ipvsadm make what the script beside them makes', async () => {
  const text = readFileSync(path.resolve(import.meta.dirname, '../../..', page), 'utf8')
  const [, lines] = /^```sh\n([^]*?)^```$/m.exec(text)!
  const kernel = new FakeIpvsKernel()
  for (const line of lines!.trim().split('\n')) {
    const argv = line.split(' ').slice(1)
    let output = ''
    const say = (words: string): void => void (output += words)
    const status = await runIpvsadm(argv, {
      open: () => kernel.open(),
      names: new SystemNames(),
      input: Readable.from([]),
      output: say,
      error: say
    })
    expect(`${status} ${status === 0 ? '' : output}`, line).toBe('0 ')
  }
  expect(`${kernel.dump()}\n`).toBe(examplesOf(page)[0]!.output)
})
