/**
 * The manual page, in the language of man(7).
 */
import type { SurfaceCommand, SurfaceOption } from './surface.js'

/** What an exit status means. */
export interface StatusMeaning {
  readonly status: number
  readonly meaning: string
}

/** The exit statuses, in words, as docs/cli.md has them. */
export const STATUS_MEANINGS: readonly StatusMeaning[] = [
  { status: 0, meaning: 'All is as it was asked for.' },
  {
    status: 1,
    meaning:
      'The command did its work, and the answer is no: doctor found that the mode lacks something, plan, apply or drain found services that cannot be applied, trace met fewer packets than it was to meet, or drain leaves connections.'
  },
  { status: 2, meaning: 'The command line or the file is wrong; nothing was changed.' },
  { status: 3, meaning: 'The kernel refused, or could not be read, or the answer could not be written.' },
  { status: 4, meaning: 'The kernel refused because the process lacks a capability (EPERM, EACCES).' },
  { status: 5, meaning: 'The kernel or the installation lacks what is needed.' },
  { status: 70, meaning: 'An error of the program itself.' },
  { status: 129, meaning: 'Ended by SIGHUP.' },
  { status: 130, meaning: 'Ended by SIGINT (watch and trace end with 0).' },
  { status: 131, meaning: 'Ended by SIGQUIT.' },
  { status: 142, meaning: 'Ended by SIGALRM.' },
  { status: 143, meaning: 'Ended by SIGTERM.' }
]

/** A backslash, and a dot or an apostrophe at the beginning of a line, have a meaning of their own; a hyphen is one that can be copied. */
function roff(text: string): string {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replace(/^([.'])/, '\\&$1')
}

function optionLines({ flags, description, choices, fallback }: SurfaceOption): string[] {
  const one = choices.length === 0 ? [] : [`One of ${choices.join(', ')}.`]
  const usual = fallback === undefined ? [] : [`Default: ${fallback}.`]
  const sentence = description.endsWith('.') ? description : `${description}.`
  return ['.TP', `.B ${roff(flags)}`, ...[sentence, ...one, ...usual].map(roff)]
}

function commandLines(command: SurfaceCommand): string[] {
  const usage = [
    'netplane',
    command.name,
    ...command.arguments.map(({ flags }) => flags),
    ...(command.options.length > 0 ? ['[options]'] : [])
  ]
  return [
    `.SS ${roff(command.name)}`,
    `.B ${roff(usage.join(' '))}`,
    '.PP',
    roff(`${command.description}.`),
    ...[...command.arguments, ...command.options].flatMap(optionLines)
  ]
}

/** The manual page. @param version Of the package. */
export function manPage(commands: readonly SurfaceCommand[], version: string): string {
  const lines = [
    `.TH NETPLANE 1 "" "netplane ${version}" "User Commands"`,
    '.SH NAME',
    roff('netplane') + ' \\- programs and shows the Linux service data plane',
    '.SH SYNOPSIS',
    '.B netplane',
    '.I command',
    '[options]',
    '.SH DESCRIPTION',
    'Programs services into nf_tables, IPVS or iptables (as nf_tables stores its rules) by netlink alone, and shows what the kernel holds.',
    roff('Reading and changing need CAP_NET_ADMIN.'),
    '.SH COMMANDS',
    ...commands.flatMap(commandLines),
    '.SH EXIT STATUS',
    ...STATUS_MEANINGS.flatMap(({ status, meaning }) => ['.TP', `.B ${status}`, roff(meaning)]),
    '.SH ENVIRONMENT',
    '.TP',
    '.B NETPLANE_DEBUG',
    roff('1 shows the stacks of errors; netlink shows decoded messages of netlink on standard error.'),
    '.TP',
    '.B NO_COLOR',
    roff('If it is set to anything, nothing is coloured.'),
    '.SH SEE ALSO',
    roff('nft(8), ipvsadm(8), iptables(8), conntrack(8), ip-netns(8)')
  ]
  return `${lines.join('\n')}\n`
}
