/**
 * The tests of the C++ core on another processor: what they encode and decode is laid out by its rules.
 */
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { programs, testedTarget } from '../../tools/prebuild/native-tests.mjs'
import { provideRoot } from '../../tools/prebuild/roots.mjs'
import { attempt } from '../support/run.js'

/** Those that speak with a kernel: the emulator passes on rtnetlink alone, and does not know the request that tells a socket's namespace (SIOCGSKNS). */
const NEED_KERNEL = [
  'Kernel*',
  'NetworkNamespaceTest.SocketLivesThereAndTheCallerStaysWhereItWas',
  'NetworkNamespaceTest.WhatIsOpenedBySocketOptionsLaterIsInTheSameOne'
]

describe.each([
  ['netplane_core_test', 140],
  ['netplane_netlink_test', 75]
])(`%s on ${testedTarget}`, (program, least) => {
  test('passes', async () => {
    const root = await provideRoot(testedTarget)
    const args = ['-L', root, path.join(programs, program), '--gtest_brief=1', `--gtest_filter=-${NEED_KERNEL.join(':')}`]
    const { status, stdout, stderr } = await attempt(path.join(root, 'emulator'), args, { timeoutMs: 300_000 })
    expect(status, `${stdout}${stderr}`).toBe(0)
    expect(Number(/\[ {2}PASSED {2}\] (\d+) tests/.exec(stdout)?.[1])).toBeGreaterThan(least)
  })
})
