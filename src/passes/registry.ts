/** Passes by name, for the command line, tests and reproducers; and pipelines from their text form. */
import { EffuseError } from '../ir/diagnostics.ts'
import { ampClasses, type AmpClass } from '../ir/op-def.ts'
import { isOpName, opDef, opNames } from '../ir/ops/index.ts'
import { differentiate } from './autodiff/differentiate.ts'
import { cse } from './cse.ts'
import { dce } from './dce.ts'
import { decompose, decomposeOps } from './decompose.ts'
import { foldBatchNorm } from './fold-batch-norm.ts'
import { foldConstants } from './fold-constants.ts'
import { fuse } from './fuse.ts'
import { hoistPrepare } from './hoist-prepare.ts'
import { ampFactory } from './mixed-precision/factory.ts'
import { isName, isNames, isNumber, optionOf, plain, type PassFactory, type PassOptions } from './pass-factory.ts'
import { pipeline, type Pipeline } from './pipeline.ts'
import { simplify } from './simplify/index.ts'
import { toInference } from './to-inference.ts'
import { toTraining } from './to-training.ts'
import { trainingFactories } from './train/factories.ts'
import { didYouMean } from '../ir/words.ts'

export type { PassFactory, PassOptions } from './pass-factory.ts'

export const passFactories: readonly PassFactory[] = [
  plain(toInference),
  plain(simplify),
  plain(foldConstants),
  plain(cse),
  plain(dce),
  plain(foldBatchNorm),
  plain(hoistPrepare),
  plain(fuse),
  ampFactory,
  {
    name: 'to-training',
    options: { frozen: 'globs of variables that are not trained, a list' },
    make: ({ frozen }) => toTraining({ frozen: globsOf('to-training', frozen) }),
  },
  {
    name: 'differentiate',
    options: {
      loss: 'name of the scalar output; default loss',
      frozen: 'globs of variables that are not trained, a list',
    },
    make: ({ loss, frozen }) =>
      differentiate({
        loss: optionOf('differentiate', 'loss', loss, 'a name', isName),
        frozen: globsOf('differentiate', frozen),
      }),
  },
  ...trainingFactories,
  {
    name: 'decompose',
    options: {
      ops: 'names of ops, a list; without it all composites',
      above: 'a number; only ops with a result of more elements',
      classes: "classes for mixed precision, a list; of users' composites only those",
      except: "names of users' composites that stay, a list",
    },
    make: (options) => {
      const ops = optionOf('decompose', 'ops', options['ops'], 'a list of names', isNames)
      const above = optionOf('decompose', 'above', options['above'], 'a number', isNumber)
      const classes = optionOf(
        'decompose',
        'classes',
        options['classes'],
        `a list of ${ampClasses.join(', ')}`,
        isAmpClasses,
      )
      const except = optionOf('decompose', 'except', options['except'], 'a list of names', isNames)
      if (Object.keys(options).length === 0) return decompose((n) => opDef(n.op).level === 'composite')
      const chosen = ops ?? opNames.filter((op) => opDef(op).level === 'composite')
      const unknown = chosen.find((op) => !isOpName(op))
      if (unknown !== undefined)
        throw new EffuseError({
          code: 'EF302',
          message: `pass decompose: there is no op "${unknown}"`,
          hint: didYouMean(unknown, opNames, ''),
        })
      return decomposeOps(chosen.filter(isOpName), { above, classes, except })
    },
  },
]

const isAmpClasses = (value: unknown): value is readonly AmpClass[] =>
  isNames(value) && value.every((name) => ampClasses.some((known) => known === name))

const globsOf = (pass: string, value: unknown): readonly string[] | undefined =>
  optionOf(pass, 'frozen', value, 'a list of globs', isNames)

/**
 * A pipeline from its text, `simplify,decompose{ops=["silu"]},cse`. `more`: passes of a backend or of one's own.
 * @throws EffuseError EF301 (unknown pass), EF302 (unknown or wrong option, syntax).
 */
export const parsePipeline = (text: string, more: readonly PassFactory[] = []): Pipeline => {
  const factories = new Map([...passFactories, ...more].map((f) => [f.name, f]))
  return pipeline(
    splitPasses(text).map(({ name, options }) => {
      const factory = factories.get(name)
      const names = [...factories.keys()]
      if (factory === undefined)
        throw new EffuseError({
          code: 'EF301',
          message: `there is no pass "${name}"; there are ${names.join(', ')}`,
          hint: didYouMean(name, names, ''),
        })
      for (const key of Object.keys(options)) {
        if (!Object.hasOwn(factory.options, key))
          throw new EffuseError({
            code: 'EF302',
            message: `pass ${name} has no option "${key}"; it has ${Object.keys(factory.options).join(', ') || 'none'}`,
          })
      }
      return factory.make(options)
    }),
  )
}

const splitPasses = (text: string): readonly { readonly name: string; readonly options: PassOptions }[] => {
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

/** Where the brace opened at `start` closes; strings may hold braces. */
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

const syntax = (text: string, at: number, message: string): EffuseError =>
  new EffuseError({
    code: 'EF302',
    message: `${message} at column ${at + 1}\n  ${text}\n  ${' '.repeat(at)}^`,
    hint: 'passes are written \'simplify,decompose{ops=["silu"]},cse\'',
  })
