/**
 * Conditions on counters. The host keeps a copy and does not read the device (executable/due-steps.ts), so a counter must change as the host
 * expects: one step adds 1, and when it has reached the value that steps wait for, the last of those steps resets it to 0.
 */
import { EffuseError } from '../ir/diagnostics.ts'
import { findNode, variablesOf } from '../ir/graph.ts'
import { interpret } from '../ir/interpret.ts'
import { findSideTables, setSideTables, type SideTables } from '../ir/side-tables.ts'
import { showType, type Graph, type Ref } from '../ir/types.ts'
import { type GraphStep, graphsOf, type Program, type Step, traffic } from './program.ts'

/** The faults in the counters that steps wait for, a sentence each. */
export const counterFaults = (program: Program): readonly string[] =>
  [...waitingSteps(program)].flatMap(([counter, steps]) => {
    const declared = declarationFaults(program, counter, steps)
    return declared.length > 0 ? declared : moveFaults(program, counter, steps)
  })

interface Waiting {
  readonly step: string
  readonly value: number
  readonly at: number
}

const waitingSteps = ({ steps }: Program): ReadonlyMap<string, readonly Waiting[]> => {
  const found = new Map<string, Waiting[]>()
  steps.forEach(({ name: step, when }, at) => {
    if (when.kind !== 'counter') return
    const known = found.get(when.variable) ?? []
    found.set(when.variable, [...known, { step, value: when.value, at }])
  })
  return found
}

const declarationFaults = (program: Program, counter: string, waiting: readonly Waiting[]): readonly string[] => {
  const node = graphsOf(program)
    .flatMap(variablesOf)
    .find(({ attrs }) => attrs.name === counter)
  const [type] = node?.types ?? []
  const [first] = waiting
  return waiting.flatMap(({ step, value }) => [
    ...(type?.dtype === 'int32' && type.shape.length === 0
      ? []
      : [
          `the step "${step}" waits for the variable "${counter}", which ${type === undefined ? 'no step has' : `is ${showType(type)}, not int32[]`}`,
        ]),
    ...(value >= 1 ? [] : [`the step "${step}" waits until "${counter}" is ${value}; counters begin at 0 and go up`]),
    ...(first !== undefined && first.value !== value
      ? [`the step "${step}" waits until "${counter}" is ${value}, and another step until it is ${first.value}`]
      : []),
  ])
}

const moveFaults = (program: Program, counter: string, waiting: readonly Waiting[]): readonly string[] => {
  const [first, last] = [waiting[0], waiting.at(-1)]
  if (first === undefined || last === undefined) return []
  const { value } = first
  const writers = program.steps.flatMap((step, at) =>
    step.kind === 'graph' && traffic(step, program).variablesWritten.includes(counter) ? [{ step, at }] : [],
  )
  const adders = writers.filter(({ step }) => !isWaiting(step, counter))
  const resets = writers.filter(({ step }) => isWaiting(step, counter))
  const names = (steps: typeof writers): string => steps.map(({ step }) => `"${step.name}"`).join(' and ') || 'none'
  const [adder, reset] = [adders[0], resets[0]]
  if (adder === undefined || adders.length > 1)
    return [
      `one step must add 1 to the counter "${counter}", and what updates it before it is ${value}: ${names(adders)}`,
    ]
  if (reset === undefined || resets.length > 1)
    return [`one step that waits for the counter "${counter}" must set it back to 0, and what does: ${names(resets)}`]
  const misplaced = [
    ...(adder.at < first.at
      ? []
      : [`"${adder.step.name}" adds to the counter "${counter}" after "${first.step}" has waited for it`]),
    ...(reset.at === last.at
      ? []
      : [`"${last.step}" waits for the counter "${counter}", which "${reset.step.name}" sets back to 0 before`]),
  ]
  return [
    ...misplaced,
    ...moveFault(adder.step, counter, [0, value >> 1, value - 1], (count) => count + 1, 'add 1 to'),
    ...moveFault(reset.step, counter, [value], () => 0, 'set back to 0'),
  ]
}

const isWaiting = ({ when }: Step, counter: string): boolean => when.kind === 'counter' && when.variable === counter

const moveFault = (
  { name, graph }: GraphStep,
  counter: string,
  counts: readonly number[],
  wanted: (count: number) => number,
  what: string,
): readonly string[] => {
  for (const count of counts) {
    const next = afterUpdate(graph, counter, count)
    if (next !== wanted(count))
      return [
        `the step "${name}" must ${what} the counter "${counter}", and makes ${next === null ? 'something of it that depends on other values' : `${next} of ${count}`}`,
      ]
  }
  return []
}

/** The counter after the step, by the reference interpreter; null if it depends on more than the counter itself. */
const afterUpdate = (graph: Graph, counter: string, count: number): number | null => {
  const update = graph.updates.find(({ variable }) => {
    const node = findNode(graph, variable)
    return node?.op === 'variable' && node.attrs.name === counter
  })
  const tables = findSideTables(graph)
  if (update === undefined || tables === null) return null
  try {
    const { outputs } = interpret(alone(graph, update.value, tables), { variables: new Map([[counter, [count]]]) })
    return outputs['next']?.data[0] ?? null
  } catch (error) {
    if (error instanceof EffuseError) return null // an input or a variable without a value
    throw error
  }
}

const alone = (graph: Graph, value: Ref, tables: SideTables): Graph =>
  setSideTables(Object.freeze({ ...graph, inputs: [], outputs: [{ name: 'next', value }], updates: [] }), tables)
