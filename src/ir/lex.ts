/** Splits graph text into tokens with places. Whitespace and `// comments` separate tokens. The lexer knows no ops. */
import { EffuseError } from './diagnostics.ts'
import { blanked } from './escaped.ts'

export type TokenKind = 'word' | 'value' | 'string' | 'number' | 'hash' | 'path' | 'mark' | 'end'
export interface Token {
  readonly kind: TokenKind
  /** The token's content: strings without quotes, hashes without #sha256:. */
  readonly text: string
  readonly at: number
}

/** Strings are matched separately: in this pattern a string of megabytes would overflow the engine's stack. */
const pattern =
  /(?<space>\s+|\/\/[^\n]*)|#sha256:(?<hash>[0-9a-f]{64})|(?<value>%[A-Za-z_0-9]+(?:\.\d+)?)|(?<number>-?(?:\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|-inf\b)|(?<word>[A-Za-z_][\w.]*)|@ ?(?<path>[^\s"{}]+)|(?<mark>[{}()[\]=,:])/y
const opening = /(?<at>@ ?)?"/y
const special = /["\\\n]/g

export const tokenize = (source: string): readonly Token[] => {
  const tokens: Token[] = []
  let at = 0
  while (at < source.length) {
    const quoted = quotedToken(source, at)
    if (quoted !== null) {
      tokens.push(quoted.token)
      at = quoted.end
      continue
    }
    pattern.lastIndex = at
    const groups = pattern.exec(source)?.groups
    if (groups === undefined) throw syntaxError(source, at, `unexpected ${JSON.stringify(source[at])}`)
    const token = tokenOf(groups, at)
    if (token !== null) tokens.push(token)
    at = pattern.lastIndex
  }
  tokens.push({ kind: 'end', text: 'the end of the text', at: source.length })
  return tokens
}

/** A string, or a path in quotes. */
const quotedToken = (source: string, at: number): { readonly token: Token; readonly end: number } | null => {
  opening.lastIndex = at
  const found = opening.exec(source)
  if (found === null) return null
  const start = opening.lastIndex - 1
  const end = closingQuote(source, start)
  if (end === null) return null
  const kind = found.groups?.['at'] === undefined ? 'string' : 'path'
  return { token: { kind, text: unquote(source.slice(start, end), at, source), at }, end }
}

/** The place after the string that begins at `start`; null if the line ends before the string. */
const closingQuote = (source: string, start: number): number | null => {
  special.lastIndex = start + 1
  for (;;) {
    const found = special.exec(source)
    if (found === null || found[0] === '\n') return null
    if (found[0] === '"') return special.lastIndex
    if (source[special.lastIndex] === '\n') return null
    special.lastIndex++ // skips the escaped character
  }
}

const tokenOf = (groups: { readonly [name: string]: string | undefined }, at: number): Token | null => {
  if (groups['space'] !== undefined) return null
  for (const kind of ['hash', 'value', 'number', 'word', 'path', 'mark'] as const) {
    const text = groups[kind]
    if (text === undefined) continue
    return { kind, text, at }
  }
  return null
}

const unquote = (text: string, at: number, source: string): string => {
  try {
    return String(JSON.parse(text))
  } catch {
    throw syntaxError(source, at, `not a string: ${text.slice(0, 60)}`)
  }
}

/** '3:16', counted from 1. */
export const placeOf = (source: string, at: number): string => {
  const before = source.slice(0, at).split('\n')
  return `${before.length}:${(before.at(-1) ?? '').length + 1}`
}

/** `3:16: message`, the line, and a caret under the place. */
export const textError = (
  code: 'EF201' | 'EF202' | 'EF203' | 'EF104' | 'EF107' | 'EF101' | 'EF102' | 'EF103' | 'EF106' | 'EF108',
  source: string,
  at: number,
  message: string,
  hint?: string,
): EffuseError => {
  const start = source.lastIndexOf('\n', at - 1) + 1
  const line = source.slice(start).split('\n', 1)[0] ?? ''
  const caret = `${' '.repeat(Math.min(at - start, 100))}^`
  return new EffuseError({
    code,
    message: `${placeOf(source, at)}: ${message}\n  ${blanked(line.slice(0, 160))}\n  ${caret}`,
    hint,
  })
}

export const syntaxError = (source: string, at: number, message: string): EffuseError =>
  textError('EF201', source, at, message)
