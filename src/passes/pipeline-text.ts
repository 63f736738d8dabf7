/** The text form of pipelines, `simplify,decompose{ops=["silu"]},cse`: names and options of any passes. */
import { EffuseError } from '../ir/diagnostics.ts'
import { blanked } from '../ir/escaped.ts'
import type { PassOptions } from './pass-factory.ts'

/** @throws EffuseError EF302 with the column and a caret */
export const splitPasses = (text: string): readonly { readonly name: string; readonly options: PassOptions }[] => {
  const passes: { name: string; options: PassOptions }[] = []
  const pattern = /\s*(?<name>[A-Za-z][\w-]*)\s*/y
  let at = 0
  for (;;) {
    pattern.lastIndex = at
    const name = pattern.exec(text)?.groups?.['name']
    if (name === undefined) throw syntax(text, at, 'expected the name of a pass')
    at = pattern.lastIndex
    let options: PassOptions = {}
    if (text[at] === '{') {
      const end = closing(text, at)
      options = parseOptions(text, at + 1, end)
      at = end + 1
    }
    passes.push({ name, options })
    at += text.slice(at).length - text.slice(at).trimStart().length
    if (at >= text.length) return passes
    if (text[at] !== ',') throw syntax(text, at, 'expected "," between passes')
    at++
  }
}

/** The position of the brace that closes the one at `start`. Strings may contain braces. */
const closing = (text: string, start: number): number => {
  let depth = 0
  let isInString = false
  for (let at = start; at < text.length; at++) {
    const c = text[at]
    if (c === '\\' && isInString) at++
    else if (c === '"') isInString = !isInString
    else if (!isInString && c === '{') depth++
    else if (!isInString && c === '}' && --depth === 0) return at
  }
  throw syntax(text, start, 'this "{" is not closed')
}

/** `key=JSON, key=JSON`. A value ends at a comma outside of brackets and strings. */
const parseOptions = (text: string, start: number, end: number): PassOptions => {
  const options: { [name: string]: unknown } = Object.create(null)
  let at = start
  while (at < end) {
    const assignment = /^\s*([A-Za-z]\w*)\s*=\s*/.exec(text.slice(at, end))
    const key = assignment?.[1]
    if (assignment === null || key === undefined) throw syntax(text, at, 'expected option=value')
    at += assignment[0].length
    const valueEnd = endOfValue(text, at, end)
    options[key] = parseValue(text, at, valueEnd)
    at = valueEnd + 1
  }
  return options
}

const endOfValue = (text: string, start: number, end: number): number => {
  let depth = 0
  let isInString = false
  for (let at = start; at < end; at++) {
    const c = text[at]
    if (c === '\\' && isInString) at++
    else if (c === '"') isInString = !isInString
    else if (!isInString && (c === '[' || c === '{')) depth++
    else if (!isInString && (c === ']' || c === '}')) depth--
    else if (!isInString && depth === 0 && c === ',') return at
  }
  return end
}

/** JSON; a bare word is a string, so that `dtype=float16` needs no quotes. */
const parseValue = (text: string, start: number, end: number): unknown => {
  const source = text.slice(start, end).trim()
  if (/^[A-Za-z][\w-]*$/.test(source) && !['true', 'false', 'null'].includes(source)) return source
  try {
    return JSON.parse(source)
  } catch {
    throw syntax(text, start, `not a value: ${source}`)
  }
}

const syntax = (text: string, at: number, message: string): EffuseError => {
  // For a long text: only the part around the position.
  const from = Math.max(0, at - 100)
  return new EffuseError({
    code: 'EF302',
    message: `${message} at column ${at + 1}\n  ${blanked(text.slice(from, from + 160))}\n  ${' '.repeat(at - from)}^`,
    hint: 'passes are written \'simplify,decompose{ops=["silu"]},cse\'',
  })
}
