/**
 * A program is data: an ordered list of steps. Each step is a graph with a condition, or a collective over replicas.
 * Steps share variables, and may pass values to later steps of the same run. The passes choose the names of steps;
 * a runtime reads only conditions.
 */
import { EffuseError, invariant } from '../ir/diagnostics.ts'
import { inputTypes, namedUpdates, typeOf, variablesReadBy } from '../ir/graph.ts'
import type { Graph, Type } from '../ir/types.ts'

/** When a step runs. */
export type Condition =
  /** In each run. */
  | { readonly kind: 'always' }
  /** When one of the derived variables that it updates is older than a variable from which it is made. */
  | { readonly kind: 'stale' }
  /** When, after the steps before it, the variable (an int32 scalar) has this value. */
  | { readonly kind: 'counter'; readonly variable: string; readonly value: number }

/** A graph of a program. The graph defines what it reads and writes: variables, updates, inputs, outputs (see `traffic`). */
export interface GraphStep {
  readonly kind: 'graph'
  readonly name: string
  readonly graph: Graph
  readonly when: Condition
}

/** Combines crossing values over all replicas of a run. It may start when step `after` has ended, and must end before step `before` starts. */
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

/** A value that one step passes to later steps of the same run: an output there, an input here. It is neither fed nor a result. */
export interface CrossingValue {
  readonly name: string
  readonly type: Type
}

export interface Program {
  readonly name: string
  readonly steps: readonly Step[]
  readonly crossing: readonly CrossingValue[]
}

/** The first step of every pipeline: it runs each time. */
export const mainStep = 'run'
const always: Condition = Object.freeze({ kind: 'always' })

/** A graph as a step. Without a condition it runs each time. */
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

/** The graph of a step; undefined if the program has none with that name. */
export const findGraph = (program: Program, step: string): Graph | undefined =>
  graphSteps(program).find(({ name }) => name === step)?.graph

/** The graph of a step; without a name, of the first step of every pipeline. @throws EffuseError EF901 */
export const graphOf = (program: Program, step: string = mainStep): Graph => {
  const graph = findGraph(program, step)
  invariant(graph !== undefined, () => `the program ${program.name} has no step "${step}"`)
  return graph
}

/** Applies a function to the graph of each step; returns the same object if nothing changed. */
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

/** What a step reads and writes, by name. */
export interface Traffic {
  readonly variablesRead: readonly string[]
  readonly variablesWritten: readonly string[]
  readonly crossingRead: readonly string[]
  readonly crossingWritten: readonly string[]
  /** Inputs that the caller feeds. */
  readonly feeds: readonly string[]
  /** Outputs that the caller receives. */
  readonly results: readonly string[]
}

export const traffic = ({ graph }: GraphStep, { crossing }: Pick<Program, 'crossing'>): Traffic => {
  const isCrossing = (name: string): boolean => crossing.some((value) => value.name === name)
  const inputs = [...inputTypes(graph).keys()]
  const outputs = graph.outputs.map(({ name }) => name)
  return {
    variablesRead: variablesReadBy(graph).map(({ attrs }) => attrs.name),
    variablesWritten: namedUpdates(graph).map(({ name }) => name),
    crossingRead: inputs.filter(isCrossing),
    crossingWritten: outputs.filter(isCrossing),
    feeds: inputs.filter((name) => !isCrossing(name)),
    results: outputs.filter((name) => !isCrossing(name)),
  }
}

/** The variables that steps make from other variables. They are not the user's. */
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

/** @throws EffuseError EF303, for example for two steps with the same name; the message states the rule. */
export const programError = (program: Program, message: string): EffuseError =>
  new EffuseError({ code: 'EF303', message: `the program ${program.name} is not well-formed: ${message}` })
