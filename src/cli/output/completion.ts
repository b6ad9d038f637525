/**
 * Completion for shells.
 */
import type { SurfaceCommand, SurfaceOption } from './surface.js'

/** Shells that there is completion for. */
export const SHELLS = ['bash', 'zsh', 'fish'] as const

/** One of {@link SHELLS}. */
export type Shell = (typeof SHELLS)[number]

/** Quotes for all three shells: in single quotes nothing else has a meaning. */
const quote = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`

const namesOf = ({ short, long }: SurfaceOption): string[] => [short, long].filter((name) => name !== undefined)

const commandNames = (commands: readonly SurfaceCommand[]): string[] => commands.map(({ name }) => name)

/** What `help` does, which is none of the commands. */
const HELP = 'shows help about a command'

/** An argument in a word: `file`. */
const nameOf = ({ flags }: SurfaceOption): string => flags.slice(1, -1)

const isFile = (argument: SurfaceOption): boolean => nameOf(argument) === 'file'

const takesFile = ({ arguments: all }: SurfaceCommand): boolean => all.some(isFile)

/** Offers words of a list. */
const bashWords = (words: readonly string[]): string => `mapfile -t COMPREPLY < <(compgen -W ${quote(words.join(' '))} -- "$word")`

/** Says which argument the word is: values of options are none. */
function bashPlace(commands: readonly SurfaceCommand[]): string[] {
  const options = commands.flatMap((command) => command.options).filter(({ takesValue }) => takesValue)
  return [
    '  local place=0 at',
    '  for ((at = 2; at < COMP_CWORD; at++)); do',
    '    case "${COMP_WORDS[at]}" in',
    `      ${[...new Set(options.flatMap(namesOf))].join('|')}) if [ "\${COMP_WORDS[at+1]}" = = ]; then at=$((at + 2)); else at=$((at + 1)); fi ;;`,
    '      -?*) ;;',
    '      *) place=$((place + 1)) ;;',
    '    esac',
    '  done'
  ]
}

/** What a value is offered by; nothing where nobody knows its values. */
function bashValue(option: SurfaceOption): string[] {
  if (!option.takesValue) return []
  const offer = option.choices.length === 0 ? '' : `${bashWords(option.choices)}; `
  return [`        ${namesOf(option).join('|')}) ${offer}return ;;`]
}

function bashCommand(command: SurfaceCommand): string[] {
  const values = command.options.flatMap(bashValue)
  const options = [...command.options.flatMap(namesOf), '--help']
  const places = command.arguments.flatMap(({ choices }, place) =>
    choices.length === 0 ? [] : [`        ${place}) ${bashWords([...options, ...choices])} ;;`]
  )
  return [
    `    ${command.name})`,
    ...(values.length === 0 ? [] : ['      case "$before" in', ...values, '      esac']),
    `      ${bashWords(options)}`,
    ...(places.length === 0 ? [] : ['      case "$place" in', ...places, '      esac']),
    // Names of files are quoted where they need it, and folders end with a slash.
    ...(takesFile(command)
      ? [
          `      if [[ "$word" != -?* && "$place" -eq ${command.arguments.findIndex(isFile)} ]]; then`,
          '        compopt -o filenames 2> /dev/null',
          '        mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "$word")',
          '      fi'
        ]
      : []),
    '      ;;'
  ]
}

function bash(commands: readonly SurfaceCommand[]): string[] {
  const names = [...commandNames(commands), 'help', '--help', '--version']
  return [
    '_netplane() {',
    '  local word="${COMP_WORDS[COMP_CWORD]}" before="${COMP_WORDS[COMP_CWORD-1]}"',
    '  COMPREPLY=()',
    '  # The equals sign of --output=json is a word of its own.',
    '  if [ "$word" = = ]; then',
    '    word=""',
    '  elif [ "$before" = = ] && [ "$COMP_CWORD" -ge 2 ]; then',
    '    before="${COMP_WORDS[COMP_CWORD-2]}"',
    '  fi',
    '  if [ "$COMP_CWORD" -eq 1 ]; then',
    `    ${bashWords(names)}`,
    '    return',
    '  fi',
    ...bashPlace(commands),
    '  case "${COMP_WORDS[1]}" in',
    ...commands.flatMap(bashCommand),
    '    help)',
    `      if [ "$place" -eq 0 ]; then ${bashWords(commandNames(commands))}; fi`,
    '      ;;',
    '  esac',
    '}',
    'complete -F _netplane netplane'
  ]
}

/** Brackets and colons end a description. */
const zshText = (text: string): string => text.replaceAll(/[[\]:]/g, (character) => `\\${character}`)

function zshOption(option: SurfaceOption): string[] {
  const value = !option.takesValue ? '' : option.choices.length > 0 ? `:value:(${option.choices.join(' ')})` : ':value:'
  return namesOf(option).map((name) => `        ${quote(`${name}[${zshText(option.description)}]${value}`)} \\`)
}

function zshCommand(command: SurfaceCommand): string[] {
  const places = command.arguments.map((argument) => {
    const { choices, flags } = argument
    const action = isFile(argument) ? '_files' : choices.length > 0 ? `(${choices.join(' ')})` : ''
    return `        ${quote(`${flags.startsWith('[') ? '::' : ':'}${nameOf(argument)}:${action}`)} \\`
  })
  return [
    `    ${command.name})`,
    '      _arguments \\',
    ...command.options.flatMap(zshOption),
    ...places,
    "        '--help[shows help]'",
    '      ;;'
  ]
}

function zsh(commands: readonly SurfaceCommand[]): string[] {
  return [
    '#compdef netplane',
    '_netplane() {',
    '  if (( CURRENT == 2 )); then',
    '    local -a names',
    '    names=(',
    ...commands.map(({ name, description }) => `      ${quote(`${name}:${zshText(description)}`)}`),
    `      ${quote(`help:${HELP}`)}`,
    '    )',
    "    _describe 'command' names",
    '    return',
    '  fi',
    '  local name="${words[2]}"',
    '  shift words',
    '  (( CURRENT-- ))',
    '  case "$name" in',
    ...commands.flatMap(zshCommand),
    '    help)',
    `      _arguments ${quote(`:command:(${commandNames(commands).join(' ')})`)}`,
    '      ;;',
    '  esac',
    '}',
    'compdef _netplane netplane'
  ]
}

function fishOption(command: string, option: SurfaceOption): string {
  const names = [
    ...(option.short === undefined ? [] : ['-s', option.short.slice(1)]),
    ...(option.long === undefined ? [] : ['-l', option.long.slice(2)])
  ]
  const value = !option.takesValue ? [] : option.choices.length > 0 ? ['-x', '-a', quote(option.choices.join(' '))] : ['-r']
  return [
    'complete -c netplane',
    '-n',
    quote(`__fish_seen_subcommand_from ${command}`),
    ...names,
    ...value,
    '-d',
    quote(option.description)
  ].join(' ')
}

/** Arguments by their place: the words that are there before it. Files are offered where one is wanted, and nowhere else. */
function fishArguments(command: SurfaceCommand): string[] {
  const seen = `__fish_seen_subcommand_from ${command.name}`
  const places = command.arguments.map((argument, index) => {
    const { choices, description } = argument
    // Values of options are words, too: so a file is wanted at every later place as well.
    const words = 'count (commandline -opc | string match -v -- "-*")'
    const condition = quote(`${seen}; and test (${words}) ${isFile(argument) ? '-ge' : '-eq'} ${index + 2}`)
    const offered = isFile(argument) ? '-F' : choices.length === 0 ? '-f' : `-f -a ${quote(choices.join(' '))}`
    return `complete -c netplane -n ${condition} ${offered} -d ${quote(description)}`
  })
  return takesFile(command) ? places : [`complete -c netplane -f -n ${quote(seen)}`, ...places]
}

function fish(commands: readonly SurfaceCommand[]): string[] {
  return [
    "complete -c netplane -f -n '__fish_use_subcommand'",
    ...commands.flatMap((command) => [
      `complete -c netplane -n '__fish_use_subcommand' -a ${command.name} -d ${quote(command.description)}`,
      ...command.options.map((option) => fishOption(command.name, option)),
      ...fishArguments(command)
    ]),
    `complete -c netplane -n '__fish_use_subcommand' -a help -d ${quote(HELP)}`,
    `complete -c netplane -f -n '__fish_seen_subcommand_from help' -a ${quote(commandNames(commands).join(' '))}`
  ]
}

const SCRIPTS: Readonly<Record<Shell, (commands: readonly SurfaceCommand[]) => string[]>> = { bash, zsh, fish }

/** The script that makes a shell complete the commands and their options. */
export function completionScript(shell: Shell, commands: readonly SurfaceCommand[]): string {
  return `${SCRIPTS[shell](commands).join('\n')}\n`
}
