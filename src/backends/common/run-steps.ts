/**
 * Runs steps of a program on a device that replaces values and does not overwrite them. New values of variables are stored separately. Later steps
 * see them, and they are committed together after the last step. A failed run frees the values that it made and changes nothing else.
 */
import { EffuseError, invariant } from '../../ir/diagnostics.ts'
import { elements, type Type } from '../../ir/types.ts'
import type { CollectiveStep, GraphStep, Program } from '../../passes/program.ts'
import type { HostTensor, RunContext, StoreTurn } from '../backend.ts'
import { type Memory, uploadAll } from './variable-store.ts'

/** The operands of a graph: values by name, still owned by the lender. */
export interface StepOperands<V> {
  variable(name: string): V
  crossing(name: string): V
}
/** The results of a graph: values by name. The receiver holds each value once. */
export interface StepResults<V> {
  readonly outputs: ReadonlyMap<string, V>
  readonly updates: ReadonlyMap<string, V>
}

export interface StepsToRun<V> {
  readonly program: Program
  readonly steps: readonly string[]
  readonly turn: StoreTurn<V>
  readonly at: RunContext
  readonly memory: Memory<V>
  readonly nameOf: (variable: string) => string
  readonly runGraph: (step: GraphStep, operands: StepOperands<V>) => StepResults<V> | Promise<StepResults<V>>
}

/** Types of crossing values, by name. */
export const crossingTypes = ({ crossing }: Program): ReadonlyMap<string, Type> =>
  new Map(crossing.map(({ name, type }) => [name, type]))

/** Runs the steps and returns the results by output name. The caller owns them. */
export const runSteps = async <V>(run: StepsToRun<V>): Promise<ReadonlyMap<string, V>> => {
  const { program, turn, memory, nameOf } = run
  const [written, crossing, results] = [new Map<string, V>(), new Map<string, V>(), new Map<string, V>()]
  const reducing = new Map<CollectiveStep, Promise<ReadonlyMap<string, V>>>()
  const placeOf = new Map(program.steps.map((step, at) => [step.name, at]))
  const state = { hasFailed: false }
  const put = (values: Map<string, V>, name: string, value: V): void => {
    const old = values.get(name)
    if (old !== undefined) memory.free(old)
    values.set(name, value)
  }
  const operands: StepOperands<V> = {
    variable: (name) => written.get(nameOf(name)) ?? turn.valueOf(nameOf(name)),
    crossing: (name) => {
      const value = crossing.get(name)
      invariant(value !== undefined, () => `no step has written the crossing value "${name}"`)
      return value
    },
  }
  const finish = async (collective: CollectiveStep): Promise<void> => {
    const pending = reducing.get(collective)
    reducing.delete(collective)
    for (const [name, value] of (await pending) ?? []) put(crossing, name, value)
  }
  const isCrossing = crossingTypes(program)
  try {
    for (const name of run.steps) {
      const at = placeOf.get(name)
      const step = at === undefined ? undefined : program.steps[at]
      invariant(at !== undefined && step !== undefined, () => `the program ${program.name} has no step "${name}"`)
      // Compares positions, because the step that a collective must precede may not be due in this run.
      for (const collective of [...reducing.keys()])
        if ((placeOf.get(collective.before) ?? 0) <= at) await finish(collective)
      if (step.kind === 'collective') {
        const before = [...reducing.values()].at(-1)
        const pending = reduced(step, run, operands, before, state)
        pending.catch(() => {}) // it may fail while other steps run; finish() reports that
        reducing.set(step, pending)
        continue
      }
      const { outputs, updates } = await run.runGraph(step, operands)
      for (const [output, value] of outputs) put(isCrossing.has(output) ? crossing : results, output, value)
      for (const [variable, value] of updates) put(written, nameOf(variable), value)
    }
    for (const collective of [...reducing.keys()]) await finish(collective)
    turn.commit(written)
    for (const value of crossing.values()) memory.free(value)
    return results
  } catch (error) {
    // Does not wait for the other replicas, because a lost one never answers.
    state.hasFailed = true
    for (const pending of reducing.values())
      void pending.then(
        (values) => values.forEach((value) => memory.free(value)),
        () => {},
      )
    for (const values of [written, crossing, results]) for (const value of values.values()) memory.free(value)
    throw error
  }
}

/** Combines values over all replicas. Copies begin at the call. Collectives run one after another, because replicas must call in the same order. */
const reduced = async <V>(
  step: CollectiveStep,
  { program, at, memory }: StepsToRun<V>,
  operands: StepOperands<V>,
  before: Promise<unknown> | undefined,
  state: { readonly hasFailed: boolean },
): Promise<ReadonlyMap<string, V>> => {
  const { replicas = 1, communicator } = at
  if (replicas === 1) return new Map()
  if (communicator === undefined)
    throw new EffuseError({
      code: 'EF403',
      message: `${program.name} combines values of ${replicas} replicas in the step "${step.name}", and the run has no communicator`,
      hint: 'pass a communicator to run() that connects the replicas',
    })
  const known = crossingTypes(program)
  const types = step.values.map((name) => known.get(name) as Type) // verify-program.ts
  const own = await Promise.all(
    step.values.map(async (name, i): Promise<HostTensor> => {
      const type = types[i] as Type // one for each value
      return { type, data: await memory.download(operands.crossing(name), type) }
    }),
  )
  await before
  if (state.hasFailed) return new Map()
  const all = await communicator.allReduce(step.reduce, own)
  if (state.hasFailed) return new Map()
  const tensors = step.values.map((name, i) => {
    const [type, data] = [types[i] as Type, all[i]] // one for each value
    if (data?.length !== elements(type.shape))
      throw new EffuseError({
        code: 'EF403',
        message: `the communicator must return ${elements(type.shape)} elements for "${name}", value ${i} of ${step.values.length} of the step "${step.name}", and returned ${data?.length ?? 'none'}`,
        hint: 'allReduce() must return as many arrays as it gets, of the same lengths and in the same order',
      })
    return [name, { type, data }] as const
  })
  return uploadAll(memory, tensors)
}
