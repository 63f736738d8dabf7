/** Is a program well-formed as a whole? ir/verify.ts checks each of its graphs. */
import { nodesOfOp } from '../ir/graph.ts'
import { sameType, showType, type Type } from '../ir/types.ts'
import {
  type CollectiveStep,
  type CrossingValue,
  derivedVariables,
  type GraphStep,
  graphSteps,
  type Program,
  type Step,
  traffic,
  typeOfInput,
  typeOfOutput,
} from './program.ts'
import { counterFaults } from './verify-counters.ts'

/** The faults, a sentence each; empty if there are none. */
export const verifyProgram = (program: Program): readonly string[] => [
  ...repeated(program.steps.map(({ name }) => name)).map((name) => `two steps are called "${name}"`),
  ...program.steps.flatMap(({ name }) =>
    /^[\w.-]+$/.test(name)
      ? []
      : [`the name of the step ${JSON.stringify(name)} has other characters than letters, digits, _, . and -`],
  ),
  ...sharedTypeFaults(program),
  ...repeated(program.crossing.map(({ name }) => name)).map((name) => `two crossing values are called "${name}"`),
  ...program.crossing.flatMap((value) => crossingFaults(program, value)),
  ...program.steps.flatMap((step, at) =>
    step.kind === 'collective' ? collectiveFaults(program, step, at) : staleFaults(program, step),
  ),
  ...counterFaults(program),
]

const repeated = (names: readonly string[]): readonly string[] => [
  ...new Set(names.filter((name, at) => names.indexOf(name) !== at)),
]

/** Steps share variables and feeds by name, so each name has one type. */
const sharedTypeFaults = (program: Program): readonly string[] => {
  const known = new Map<string, { readonly step: string; readonly type: Type }>()
  return graphSteps(program).flatMap((step) => {
    const shared = [...nodesOfOp(step.graph, 'variable'), ...nodesOfOp(step.graph, 'input')]
    return shared.flatMap(({ op, attrs: { name }, types: [type] }) => {
      const key = `${op} ${name}`
      const first = known.get(key)
      if (type === undefined || (first !== undefined && sameType(first.type, type))) return []
      if (first === undefined) {
        known.set(key, { step: step.name, type })
        return []
      }
      return [
        `the ${op} "${name}" is ${showType(first.type)} in the step "${first.step}" and ${showType(type)} in the step "${step.name}"`,
      ]
    })
  })
}

/** Does `step` run in every run in which `reader` does? */
const runsWith = ({ when: a }: Step, { when: b }: Step): boolean =>
  a.kind === 'always' ||
  (a.kind === 'counter' && b.kind === 'counter' && a.variable === b.variable && a.value === b.value)

/** A crossing value is written once, read only later, has one type, and is never read in a run that has not written it. */
const crossingFaults = (program: Program, { name, type }: CrossingValue): readonly string[] => {
  const steps = graphSteps(program)
  const writers = steps.flatMap((step, at) => (typeOfOutput(step.graph, name) === null ? [] : [at]))
  const readers = steps.flatMap((step, at) => (typeOfInput(step.graph, name) === null ? [] : [at]))
  const collectives = program.steps.filter((step) => step.kind === 'collective')
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
    ...[...readers.map((at) => steps[at] as GraphStep), ...collectives.filter(({ values }) => values.includes(name))] // found above
      .filter((reader) => !runsWith(steps[writer] as GraphStep, reader)) // found above
      .map(
        (reader) =>
          `the step "${reader.name}" reads the crossing value "${name}", also when "${steps[writer]?.name}" does not run`,
      ),
  ]
}

const collectiveFaults = (program: Program, step: CollectiveStep, at: number): readonly string[] => {
  const placeOf = (name: string): number => program.steps.findIndex((other) => other.name === name)
  const crossing = new Map(program.crossing.map(({ name, type }) => [name, type]))
  const [after, before] = [placeOf(step.after), placeOf(step.before)]
  const written = new Set(
    program.steps.slice(0, after + 1).flatMap((s) => (s.kind === 'graph' ? traffic(s, program).crossingWritten : [])),
  )
  /** Between `after` and `before` its values may be those of one replica or the combined ones. */
  const unsure = program.steps.slice(after + 1, before).flatMap((other) => {
    if (other === step) return []
    const read = other.kind === 'graph' ? traffic(other, program).crossingRead : other.values
    return read.filter((name) => step.values.includes(name)).map((name) => [other.name, name] as const)
  })
  return [
    ...repeated(step.values).map((name) => `"${step.name}" combines "${name}" twice`),
    ...unsure.map(([reader, name]) => `"${reader}" reads "${name}" while "${step.name}" combines it`),
    ...(after < 0 || after >= at ? [`"${step.name}" starts after "${step.after}", which is not an earlier step`] : []),
    ...(before <= at ? [`"${step.name}" is needed before "${step.before}", which is not a later step`] : []),
    ...step.values.flatMap((name) => {
      const type = crossing.get(name)
      if (type === undefined) return [`"${step.name}" combines "${name}", which is not a crossing value`]
      if (!written.has(name)) return [`"${step.name}" combines "${name}", which is not written yet`]
      return (type.dtype === 'bool') === (step.reduce === 'and')
        ? []
        : [`"${step.name}" cannot form the ${step.reduce} of "${name}" ${showType(type)}`]
    }),
  ]
}

/** A stale step makes derived variables from variables that are not derived, and does nothing else. */
const staleFaults = (program: Program, step: GraphStep): readonly string[] => {
  if (step.when.kind !== 'stale') return []
  const { variablesRead, variablesWritten } = traffic(step, program)
  const derived = derivedVariables(program)
  const others = graphSteps(program).filter((other) => other !== step)
  return [
    ...(step.graph.inputs.length + step.graph.outputs.length > 0
      ? [`the step "${step.name}" runs when it is stale, and must have no inputs and no outputs`]
      : []),
    // Staleness is decided before any step runs, from the versions of what the step reads. Versions of derived variables change during the run.
    ...variablesRead
      .filter((name) => derived.has(name))
      .map(
        (name) =>
          `the step "${step.name}" makes derived variables, and reads the derived variable "${name}"; make them of other variables, or in one step`,
      ),
    ...others.flatMap((other) => {
      const clash = traffic(other, program).variablesWritten.find((name) => variablesWritten.includes(name))
      return clash === undefined
        ? []
        : [`the derived variable "${clash}" is updated by "${step.name}" and by "${other.name}"`]
    }),
  ]
}
