/**
 * The text form of a program: a line for each step, followed by the step's graph. A graph alone is a program that runs it each time.
 *
 *     step prepare when stale
 *     graph main.prepare { … }
 *     step run
 *     graph main { … }
 *     step apply when "accumulate/count" = 4
 *
 * `crossing "name" : float32[8]` declares a crossing value; `step reduce = sum("a", "b") after micro before apply` is a collective.
 */
import { EffuseError } from '../ir/diagnostics.ts'
import { parseAll } from '../ir/parse.ts'
import { print } from '../ir/print.ts'
import { dtypes, showType } from '../ir/types.ts'
import type { ConstantPool } from '../ir/constants.ts'
import {
  type Condition,
  type CrossingValue,
  graphStep,
  mainStep,
  type Program,
  programOf,
  type Step,
} from './program.ts'

/** A program of one step that runs each time prints as its graph alone. */
export const printProgram = (program: Program): string => {
  const [only] = program.steps
  if (program.steps.length === 1 && only?.kind === 'graph' && only.name === mainStep && only.when.kind === 'always')
    return print(only.graph)
  return [
    ...program.crossing.map(({ name, type }) => `crossing ${JSON.stringify(name)} : ${showType(type)}\n`),
    ...program.steps.map((step) => `${headerOf(step)}\n${step.kind === 'graph' ? print(step.graph) : ''}`),
  ].join('')
}

const headerOf = (step: Step): string => {
  const when = conditionText(step.when)
  if (step.kind === 'graph') return `step ${step.name}${when}`
  const values = step.values.map((name) => JSON.stringify(name)).join(', ')
  return `step ${step.name} = ${step.reduce}(${values}) after ${step.after} before ${step.before}${when}`
}
const conditionText = (when: Condition): string =>
  when.kind === 'always'
    ? ''
    : when.kind === 'stale'
      ? ' when stale'
      : ` when ${JSON.stringify(when.variable)} = ${when.value}`

/** @throws EffuseError EF201 with the line, and the errors of parseAll for the graphs. */
export const parseProgram = (source: string, constants?: ConstantPool): Program => {
  const lines = source.split('\n')
  const starts = lines.flatMap((line, at) => (/^(step|crossing)\b/.test(line) ? [at] : []))
  if (starts.length === 0) return loneGraph(source, constants)
  const before = lines.slice(0, starts[0]).join('\n')
  if (parseAll(before).length > 0) throw syntax(0, 'a graph of a program must follow its line "step NAME"')
  const steps: Step[] = []
  const crossing: CrossingValue[] = []
  for (const [i, at] of starts.entries()) {
    // The lines above become empty lines, so that errors in the graph have the right line of the file.
    const below = `${'\n'.repeat(at + 1)}${lines.slice(at + 1, starts[i + 1]).join('\n')}`
    const graphs = parseAll(below, { constants })
    const line = lines[at] as string // an index of the list
    const value = crossingOf(line, at)
    const step = value === null ? stepOf(line, at, graphs[0]) : null
    const graphCount = step?.kind === 'graph' ? 1 : 0
    if (graphs.length !== graphCount)
      throw syntax(at, `expected ${graphCount === 1 ? 'one graph' : 'no graph'} under this line, got ${graphs.length}`)
    if (value !== null) crossing.push(value)
    if (step !== null) steps.push(step)
  }
  const main = steps.find((step) => step.kind === 'graph' && step.name === mainStep) ?? steps[0]
  return programOf(steps, main?.kind === 'graph' ? main.graph.name : 'program', crossing)
}

const loneGraph = (source: string, constants: ConstantPool | undefined): Program => {
  const [graph, ...more] = parseAll(source, { constants })
  if (graph === undefined) throw syntax(0, 'expected a graph, got none')
  if (more.length > 0)
    throw new EffuseError({
      code: 'EF201',
      message: `a program of ${more.length + 1} graphs needs a line "step NAME" above each of them`,
      hint: `step ${mainStep}`,
    })
  return programOf(graph)
}

const header =
  /^step (?<name>[\w.-]+)(?: = (?<reduce>sum|and)\((?<values>(?:"(?:[^"\\]|\\.)*"(?:, ?)?)*)\) after (?<after>[\w.-]+) before (?<before>[\w.-]+))?(?: when (?:(?<stale>stale)|(?<counter>"(?:[^"\\]|\\.)*") = (?<count>-?\d+)))?\s*$/

const stepOf = (line: string, at: number, graph: ReturnType<typeof parseAll>[number] | undefined): Step => {
  const parts = header.exec(line)?.groups
  const { name, reduce, values, after, before, stale, counter, count } = parts ?? {}
  if (name === undefined)
    throw syntax(at, 'expected "step NAME", with "when stale" or "when "COUNTER" = N" for a condition')
  const when: Condition =
    stale !== undefined
      ? { kind: 'stale' }
      : counter === undefined
        ? { kind: 'always' }
        : { kind: 'counter', variable: parsedName(counter, at), value: parsedCount(count ?? '', at) }
  if (reduce === undefined) {
    if (graph === undefined) throw syntax(at, 'expected one graph under this line, got 0')
    return graphStep(name, graph, when)
  }
  return {
    kind: 'collective',
    name,
    reduce: reduce === 'sum' ? 'sum' : 'and',
    values: parsedList(values ?? '', at),
    after: after ?? '',
    before: before ?? '',
    when,
  }
}

const parsedName = (text: string, at: number): string => parsedList(text, at)[0] as string // one string, or an error

/** A value of an int32 variable. */
const parsedCount = (text: string, at: number): number => {
  const count = Number(text)
  if (count !== (count | 0)) throw syntax(at, `expected a value of an int32 variable, got ${text}`)
  return count
}

const parsedList = (text: string, at: number): readonly string[] => {
  try {
    const list: unknown = JSON.parse(`[${text}]`)
    if (Array.isArray(list) && list.every((name) => typeof name === 'string')) return list
  } catch {
    // reported below
  }
  throw syntax(at, 'expected names of values in quotation marks')
}

const crossingOf = (line: string, at: number): CrossingValue | null => {
  if (!line.startsWith('crossing')) return null
  const [, name, dtype, shape] = /^crossing ("(?:[^"\\]|\\.)*") : (\w+)\[((?:\d+(?:,\d+)*)?)\]\s*$/.exec(line) ?? []
  const known = dtypes.find((d) => d === dtype)
  const sizes = shape === undefined || shape === '' ? [] : shape.split(',').map(Number)
  if (name === undefined || shape === undefined || known === undefined || !sizes.every(Number.isSafeInteger))
    throw syntax(at, 'expected "crossing "NAME" : TYPE", with a type such as float32[8]')
  return { name: parsedName(name, at), type: { dtype: known, shape: sizes } }
}

const syntax = (line: number, message: string): EffuseError =>
  new EffuseError({ code: 'EF201', message: `${line + 1}:1: ${message}` })
