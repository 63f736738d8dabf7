/** Is a program well-formed as a whole? Its graphs are checked one by one by ir/verify.ts. */
import { variablesOf } from '../ir/graph.ts'
import { sameType, showType, type Type } from '../ir/types.ts'
import {
  type CollectiveStep,
  type CrossingValue,
  type GraphStep,
  graphSteps,
  graphsOf,
  type Program,
  traffic,
  typeOfInput,
  typeOfOutput,
} from './program.ts'

/** What is wrong, a sentence each; empty where nothing is. */
export const verifyProgram = (program: Program): readonly string[] => [
  ...repeated(program.steps.map(({ name }) => name)).map((name) => `two steps are called "${name}"`),
  ...repeated(program.crossing.map(({ name }) => name)).map((name) => `two crossing values are called "${name}"`),
  ...program.crossing.flatMap((value) => crossingFaults(program, value)),
  ...program.steps.flatMap((step, at) => [
    ...(step.kind === 'collective' ? collectiveFaults(program, step, at) : staleFaults(program, step)),
    ...(step.when.kind === 'counter' ? counterFaults(program, step.name, step.when.variable) : []),
  ]),
]

const repeated = (names: readonly string[]): readonly string[] => [
  ...new Set(names.filter((name, at) => names.indexOf(name) !== at)),
]

/** Written once, read later only, with one type. */
const crossingFaults = (program: Program, { name, type }: CrossingValue): readonly string[] => {
  const steps = graphSteps(program)
  const writers = steps.flatMap((step, at) => (typeOfOutput(step.graph, name) === null ? [] : [at]))
  const readers = steps.flatMap((step, at) => (typeOfInput(step.graph, name) === null ? [] : [at]))
  const [writer] = writers
  if (writer === undefined || writers.length > 1)
    return [`the crossing value "${name}" must be an output of one step, and is one of ${writers.length}`]
  const wrong = (step: GraphStep | undefined, found: Type | null): readonly string[] =>
    found === null || sameType(found, type)
      ? []
      : [`the crossing value "${name}" is ${showType(type)}, and ${showType(found)} in the step "${step?.name}"`]
  return [
    ...wrong(steps[writer], typeOfOutput((steps[writer] as GraphStep).graph, name)), // found above
    ...readers.flatMap((at) => wrong(steps[at], typeOfInput((steps[at] as GraphStep).graph, name))), // found above
    ...readers
      .filter((at) => at <= writer)
      .map((at) => `the step "${steps[at]?.name}" reads the crossing value "${name}" before a step writes it`),
  ]
}

const collectiveFaults = (program: Program, step: CollectiveStep, at: number): readonly string[] => {
  const placeOf = (name: string): number => program.steps.findIndex((other) => other.name === name)
  const crossing = new Map(program.crossing.map(({ name, type }) => [name, type]))
  const [after, before] = [placeOf(step.after), placeOf(step.before)]
  const written = new Set(
    program.steps.slice(0, after + 1).flatMap((s) => (s.kind === 'graph' ? traffic(s, program).crossingWritten : [])),
  )
  return [
    ...(after < 0 || after >= at ? [`"${step.name}" starts after "${step.after}", which is no step before it`] : []),
    ...(before <= at ? [`"${step.name}" is needed before "${step.before}", which is no step after it`] : []),
    ...step.values.flatMap((name) => {
      const type = crossing.get(name)
      if (type === undefined) return [`"${step.name}" combines "${name}", which is no crossing value`]
      if (!written.has(name)) return [`"${step.name}" combines "${name}", which is not written by then`]
      return (type.dtype === 'bool') === (step.reduce === 'and')
        ? []
        : [`"${step.name}" cannot form the ${step.reduce} of "${name}" ${showType(type)}`]
    }),
  ]
}

/** A stale step makes derived variables of other variables, and does nothing else. */
const staleFaults = (program: Program, step: GraphStep): readonly string[] => {
  if (step.when.kind !== 'stale') return []
  const { variablesWritten } = traffic(step, program)
  const others = graphSteps(program).filter((other) => other !== step)
  return [
    ...(step.graph.inputs.length + step.graph.outputs.length > 0
      ? [`the step "${step.name}" runs when it is stale, and must have no inputs and no outputs`]
      : []),
    ...others.flatMap((other) => {
      const clash = traffic(other, program).variablesWritten.find((name) => variablesWritten.includes(name))
      return clash === undefined
        ? []
        : [`the derived variable "${clash}" is updated by "${step.name}" and by "${other.name}"`]
    }),
  ]
}

const counterFaults = (program: Program, step: string, counter: string): readonly string[] => {
  const node = graphsOf(program)
    .flatMap(variablesOf)
    .find(({ attrs }) => attrs.name === counter)
  const [type] = node?.types ?? []
  return type?.dtype === 'int32' && type.shape.length === 0
    ? []
    : [
        `the step "${step}" waits for the variable "${counter}", which ${type === undefined ? 'no step has' : `is ${showType(type)}, not int32[]`}`,
      ]
}
