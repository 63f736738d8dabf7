/**
 * A program: what runs when, as data. An ordered list of steps; each is a graph with a condition, or a collective over replicas.
 * Steps share variables, and may hand values to later steps of the same run. Their names are words of the passes that made them:
 * a runtime looks at conditions only.
 */
import { EffuseError, invariant } from '../ir/diagnostics.ts'
import { inputTypes, typeOf, variablesOf, variablesReadBy } from '../ir/graph.ts'
import type { Graph, Type } from '../ir/types.ts'

/** When a step runs. */
export type Condition =
  /** In each run. */
  | { readonly kind: 'always' }
  /** When one of the derived variables that it updates is older than a variable that it was made from. */
  | { readonly kind: 'stale' }
  /** When, after the steps before it, the variable (an int32 scalar) has this value. */
  | { readonly kind: 'counter'; readonly variable: string; readonly value: number }

/** A graph of a program. What it reads and writes stands in the graph: variables, updates, inputs, outputs (see `traffic`). */
export interface GraphStep {
  readonly kind: 'graph'
  readonly name: string
  readonly graph: Graph
  readonly when: Condition
}

/** Combines crossing values over all replicas of a run. It may start when step `after` is done, and must be done before step `before`. */
export interface CollectiveStep {
  readonly kind: 'collective'
  readonly name: string
  readonly reduce: 'sum' | 'and'
  readonly values: readonly string[]
  readonly after: string
  readonly before: string
  readonly when: Condition
}
export type Step = GraphStep | CollectiveStep

/** A value that one step hands to later steps of the same run: an output there, an input here. It is neither fed nor a result. */
export interface CrossingValue {
  readonly name: string
  readonly type: Type
}

export interface Program {
  readonly name: string
  readonly steps: readonly Step[]
  readonly crossing: readonly CrossingValue[]
}

/** What every pipeline begins with: the step that runs each time. */
export const mainStep = 'run'
const always: Condition = Object.freeze({ kind: 'always' })

/** A graph as a step; without a condition it runs each time. */
export const graphStep = (name: string, graph: Graph, when: Condition = always): GraphStep =>
  Object.freeze({ kind: 'graph', name, graph, when })

/** A program of one graph that runs each time, or of the steps given. */
export const programOf = (
  main: Graph | readonly Step[],
  name: string = 'nodes' in main ? main.name : 'program',
  crossing: readonly CrossingValue[] = [],
): Program =>
  Object.freeze({ name, steps: Object.freeze('nodes' in main ? [graphStep(mainStep, main)] : [...main]), crossing })

/** The same program with other steps. */
export const withSteps = (program: Program, steps: readonly Step[]): Program =>
  Object.freeze({ ...program, steps: Object.freeze([...steps]) })

export const graphSteps = (program: Program): readonly GraphStep[] =>
  program.steps.filter((step) => step.kind === 'graph')
export const graphsOf = (program: Program): readonly Graph[] => graphSteps(program).map(({ graph }) => graph)

/** The graph of a step; undefined where the program has none of that name. */
export const findGraph = (program: Program, step: string): Graph | undefined =>
  graphSteps(program).find(({ name }) => name === step)?.graph

/** The graph of a step, without its name that of the step that every pipeline begins with. @throws EffuseError EF901 */
export const graphOf = (program: Program, step: string = mainStep): Graph => {
  const graph = findGraph(program, step)
  invariant(graph !== undefined, () => `the program ${program.name} has no step "${step}"`)
  return graph
}

/** The same function over the graph of each step; the same object where nothing changed. */
export const mapGraphs = (program: Program, change: (graph: Graph) => Graph): Program => {
  let isChanged = false
  const steps = program.steps.map((step) => {
    if (step.kind !== 'graph') return step
    const graph = change(step.graph)
    if (graph === step.graph) return step
    isChanged = true
    return Object.freeze({ ...step, graph })
  })
  return isChanged ? withSteps(program, steps) : program
}

/** Replaces one step by others. */
export const replaceStep = (program: Program, name: string, steps: readonly Step[]): Program =>
  withSteps(
    program,
    program.steps.flatMap((step) => (step.name === name ? steps : [step])),
  )

/** What a step takes and gives, by name. */
export interface Traffic {
  readonly variablesRead: readonly string[]
  readonly variablesWritten: readonly string[]
  readonly crossingRead: readonly string[]
  readonly crossingWritten: readonly string[]
  /** Inputs that the caller feeds. */
  readonly feeds: readonly string[]
  /** Outputs that the caller gets. */
  readonly results: readonly string[]
}

export const traffic = ({ graph }: GraphStep, { crossing }: Pick<Program, 'crossing'>): Traffic => {
  const isCrossing = (name: string): boolean => crossing.some((value) => value.name === name)
  const variables = new Map(variablesOf(graph).map((node) => [node.id, node.attrs.name]))
  const inputs = [...inputTypes(graph).keys()]
  const outputs = graph.outputs.map(({ name }) => name)
  return {
    variablesRead: variablesReadBy(graph).map(({ attrs }) => attrs.name),
    variablesWritten: graph.updates.flatMap(({ variable }) => variables.get(variable) ?? []),
    crossingRead: inputs.filter(isCrossing),
    crossingWritten: outputs.filter(isCrossing),
    feeds: inputs.filter((name) => !isCrossing(name)),
    results: outputs.filter((name) => !isCrossing(name)),
  }
}

/** The variables that steps make of other variables; they are not a user's. */
export const derivedVariables = (program: Program): ReadonlySet<string> =>
  new Set(
    graphSteps(program).flatMap((step) => (step.when.kind === 'stale' ? traffic(step, program).variablesWritten : [])),
  )

/** The type of an input or an output of a graph, by name. */
export const typeOfInput = (graph: Graph, input: string): Type | null => inputTypes(graph).get(input) ?? null
export const typeOfOutput = (graph: Graph, output: string): Type | null => {
  const found = graph.outputs.find(({ name }) => name === output)
  return found === undefined ? null : typeOf(graph, found.value)
}

/** @throws EffuseError EF303: two steps of one name, say; the message says what must hold. */
export const programError = (program: Program, message: string): EffuseError =>
  new EffuseError({ code: 'EF303', message: `the program ${program.name} is not well-formed: ${message}` })
