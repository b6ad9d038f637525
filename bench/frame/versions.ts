import { execFile } from 'node:child_process'

/** How the programs that ours is compared with say their versions. */
const options: Readonly<Record<string, string>> = { nft: '--version', ip: '-V', ipvsadm: '--version', conntrack: '--version' }

/** The first version number of a text. */
export function findVersion(text: string): string | undefined {
  return /\d+(?:\.\d+)+/.exec(text)?.[0]
}

/** What a program prints of its version; nothing where it cannot, as ipvsadm on a kernel without IPVS. */
const printed = (program: string, option: string): Promise<string> =>
  new Promise((resolve) => execFile(program, [option], { timeout: 10_000 }, (error, stdout) => resolve(error === null ? stdout : '')))

/** The versions of netplane, of Node and of programs, in words. */
export async function describeVersions(netplane: string, programs: readonly string[]): Promise<string> {
  const known = programs.flatMap((program) => (options[program] === undefined ? [] : [{ program, option: options[program] }]))
  const others = known.map(
    async ({ program, option }) => `${program} ${findVersion(await printed(program, option)) ?? '(unknown version)'}`
  )
  return [`netplane ${netplane}`, `Node ${process.versions.node}`, ...(await Promise.all(others))].join(', ')
}
