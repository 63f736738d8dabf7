/** Checks arguments that commander accepts, before it parses them, and converts commander's errors to effuse's. */
import type { Command, CommanderError, Option } from 'commander'
import { EffuseError } from '../ir/diagnostics.ts'
import { didYouMean } from '../ir/words.ts'

/** @throws EffuseError EF601 for an unknown command, and for an option whose value is missing or is the next option */
export const checkArguments = (program: Command, argv: readonly string[]): void => {
  const [first = '', second = ''] = argv
  const name = first === 'help' ? second : first
  const names = [...program.commands.map((command) => command.name()), 'help']
  if (name !== '' && !name.startsWith('-') && !names.includes(name))
    throw new EffuseError({
      code: 'EF601',
      message: `there is no command "${name}"; there are ${names.join(', ')}`,
      hint: didYouMean(name, names, '') ?? 'effuse --help describes each command',
    })
  const command = program.commands.find((known) => known.name() === first)
  if (command !== undefined) checkValues(command.options, argv.slice(1))
}

/** commander takes the next word as the value: `--html --json` would write a file named "--json". `--html=--json` still does so. */
const checkValues = (options: readonly Option[], words: readonly string[]): void => {
  for (let i = 0; i < words.length && words[i] !== '--'; i++) {
    const option = options.find((known) => known.long === words[i] || known.short === words[i])
    if (option?.required !== true) continue
    const value = words[++i]
    if (value !== undefined && !value.startsWith('--')) continue
    const flag = words[i - 1]
    throw new EffuseError({
      code: 'EF601',
      message: `${flag} needs ${placeholder(option)}, got ${value ?? 'nothing'}`,
      hint: value === undefined ? option.description : `if ${value} is the value, write ${flag}=${value}`,
    })
  }
}

/** `<file>` as "a FILE", `<pixels>` as "PIXELS". */
const placeholder = ({ flags }: Option): string => {
  const word = (/<([\w-]+)/.exec(flags)?.[1] ?? 'value').toUpperCase()
  if (word.length === 1) return `a number ${word}`
  return word.endsWith('S') ? word : `${/^[AEIOU]/.test(word) ? 'an' : 'a'} ${word}`
}

/** Moves the suggestion, which commander's message has in brackets on a separate line, to the hint. */
export const argumentError = ({ message }: CommanderError, argv: readonly string[]): EffuseError => {
  const [said = '', suggestion] = message.replace(/^error: /, '').split(/\n\(Did you mean (.*)\?\)$/)
  const command = argv[0] === undefined || argv[0].startsWith('-') ? '' : `${argv[0]} `
  const hint = suggestion === undefined ? `effuse ${command}--help` : `did you mean ${suggestion}?`
  return new EffuseError({ code: 'EF601', message: said, hint })
}
