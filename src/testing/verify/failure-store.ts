/** Stores each failure as a file, so that the next verification tries it first. */
import { folderNames, readFile, saveText } from '#platform'
import { isRecord } from '../../ir/attrs.ts'
import { EffuseError } from '../../ir/diagnostics.ts'
import { isOpName } from '../../ir/ops/index.ts'
import { parse } from '../../ir/parse.ts'
import { hashGraph, print } from '../../ir/print.ts'
import type { Tolerance } from '../../ir/signatures.ts'
import type { Graph } from '../../ir/types.ts'
import type { Trial } from '../trial.ts'

/** Numbers by name. */
type Values = { readonly [name: string]: readonly number[] }

export interface KeptFailure {
  /** The name of the verification: `kernel conv2d`, `pass simplify`. */
  readonly name: string
  readonly graphs: readonly Graph[]
  readonly rounds: readonly { readonly inputs: Values; readonly variables: Values }[]
  /** Other parts of the case, as plain data. */
  readonly more: { readonly [name: string]: unknown }
}

/** Stores the failure. Replaces the same failure if it is stored already. @throws EffuseError EF501 if the folder cannot be written */
export const keepFailure = (folder: string | undefined, { name, graphs, rounds, more }: KeptFailure): void => {
  const [first] = graphs
  if (folder === undefined || first === undefined) return
  const file = `${name.replaceAll(/[^\w-]+/g, '-')}-${hashGraph(first).slice(0, 12)}.json`
  const text = JSON.stringify({ name, graphs: graphs.map((graph) => print(graph)), rounds, more }, written, 2)
  saveText(folder, file, `${text}\n`)
}

/** The stored failures with this name; empty if the folder does not exist. @throws EffuseError EF501 if a file is not a stored failure */
export const keptFailures = async (folder: string | undefined, name: string): Promise<readonly KeptFailure[]> => {
  const files = folder === undefined ? null : await folderNames(folder)
  const kept: KeptFailure[] = []
  for (const file of (files ?? []).filter((each) => each.endsWith('.json')).sort()) {
    const path = `${folder}/${file}`
    const failure = readFailure(path, new TextDecoder().decode(await readFile(path)))
    if (failure.name === name) kept.push(failure)
  }
  return kept
}

const readFailure = (path: string, text: string): KeptFailure => {
  const damaged = (cause: unknown): EffuseError =>
    new EffuseError({
      code: 'EF501',
      message: `cannot read the file ${path}: it is not a failure that effuse verify stored`,
      hint: 'remove it; the seed of a failure finds it again',
      cause,
    })
  try {
    const value: unknown = JSON.parse(text, read)
    if (isRecord(value) && typeof value['name'] === 'string' && Array.isArray(value['graphs'])) {
      const { name, graphs, rounds, more } = value
      if (graphs.every((graph) => typeof graph === 'string') && Array.isArray(rounds) && isRecord(more))
        return { name, graphs: graphs.map((graph) => parse(graph)), rounds: rounds.map(roundOf), more }
    }
  } catch (cause) {
    throw damaged(cause)
  }
  throw damaged(undefined)
}

const roundOf = (value: unknown): KeptFailure['rounds'][number] => {
  if (!isRecord(value)) throw new TypeError('a round is an object')
  return { inputs: valuesOf(value['inputs']), variables: valuesOf(value['variables']) }
}
const valuesOf = (value: unknown): Values => {
  if (!isRecord(value)) throw new TypeError('numbers must be a record by name')
  return Object.fromEntries(
    Object.entries(value).map(([name, numbers]) => {
      if (!Array.isArray(numbers) || !numbers.every((x) => typeof x === 'number'))
        throw new TypeError(`${name} is not a list of numbers`)
      return [name, numbers]
    }),
  )
}

/** JSON has no NaN, no infinities and no -0. */
const special: ReadonlyMap<string, number> = new Map([
  ['NaN', Number.NaN],
  ['Infinity', Infinity],
  ['-Infinity', -Infinity],
  ['-0', -0],
])
const written = (_key: string, value: unknown): unknown => {
  if (typeof value !== 'number') return value
  const found = [...special].find(([, number]) => Object.is(number, value))
  return found === undefined ? value : { number: found[0] }
}
const read = (_key: string, value: unknown): unknown =>
  isRecord(value) && Object.keys(value).length === 1 && typeof value['number'] === 'string'
    ? (special.get(value['number']) ?? value)
    : value

/** A case of kernels as a failure; `more` says which verification it belongs to. */
export const keptOf = (
  name: string,
  { graphs, rounds, op, isFused, ...classes }: Trial,
  more: KeptFailure['more'] = {},
): KeptFailure => ({ name, graphs, rounds, more: { op, isFused, ...classes, ...more } })

/** The case that keptOf() has written. */
export const trialOfKept = ({ graphs, rounds, more: { op, isFused, ...classes } }: KeptFailure): Trial | null =>
  typeof op === 'string' && isOpName(op)
    ? {
        op,
        graphs,
        rounds,
        isFused: isFused === true,
        // As keptOf() has written them.
        tolerance: classes['tolerance'] as Tolerance | undefined,
        operandTolerance: classes['operandTolerance'] as Tolerance | undefined,
      }
    : null
