/**
 * Compares a backend with the reference interpreter, on one graph or on several over one store.
 * src/testing/conformance.ts adds random cases and shrinking.
 */
import { inputTypes, nodeAt, nodesOf } from '../ir/graph.ts'
import { interpret, type Numbers } from '../ir/interpret.ts'
import { opDef } from '../ir/ops/index.ts'
import type { RefTensor } from '../ir/op-def.ts'
import type { OpName, Tolerance } from '../ir/signatures.ts'
import { elements, isFloat, type Graph, type Type } from '../ir/types.ts'
import type { Pass } from '../passes/pass.ts'
import { graphOf, mainStep, type Program, programOf } from '../passes/program.ts'
import { runPasses } from '../passes/run-pass.ts'
import { hostArray, hostArrayOf, type Backend, type HostArray, type Runnable, type Store } from './backend.ts'
import { halfErrorsOf } from './half-errors.ts'
import { roundingsOf } from './roundings.ts'
import { toleranceOf } from './tolerance.ts'
import { type Deviation, type Expected, worstElement } from './worst-element.ts'

/** Numbers by the name of an input or a variable. */
interface Numbered {
  readonly [name: string]: Numbers
}

export interface ConformanceCase {
  /** The op under test. Its tolerance class applies to the results. */
  readonly op: OpName
  readonly graph: Graph
  readonly inputs: Numbered
}

/** Programs over one store, run one after another in each round. */
export interface SharedCase {
  readonly op: OpName
  /** Their variables are shared by name. */
  readonly graphs: readonly Graph[]
  /** The inputs and variables of each round; variables are set before the round. */
  readonly rounds: readonly { readonly inputs: Numbered; readonly variables: Numbered }[]
  /** Whether the backend's fusion passes run too. */
  readonly isFused: boolean
  /** The tolerance class that applies instead of the op's: that of a user's composite. */
  readonly tolerance?: Tolerance | undefined
  /** The class of what the op, an activation with a slope of at most 1, is applied to: its error comes on top of the op's own. */
  readonly operandTolerance?: Tolerance | undefined
}

/** Runs the case on the backend and on the reference, and returns the worst element. */
export const runCase = (backend: Backend, { op, graph, inputs }: ConformanceCase): Promise<Deviation | null> =>
  runShared(backend, { op, graphs: [graph], rounds: [{ inputs, variables: {} }], isFused: false })

/** Runs programs that share a store, and returns the worst element of all their results and updates. */
export const runShared = async (
  backend: Backend,
  { op, graphs, rounds, isFused, operandTolerance, tolerance = opDef(op).tolerance }: SharedCase,
): Promise<Deviation | null> => {
  const store = backend.createStore()
  const types = new Map(graphs.flatMap(variablesOf))
  for (const [name, type] of types) store.declare(name, type, () => hostArray(type.dtype, elements(type.shape)))
  const passes = isFused ? [...backend.legalize, ...backend.fuse] : backend.legalize
  const isExact = backend.target.exactOps.includes(op)
  const runnables: Runnable[] = []
  const deviations: (Deviation | null)[] = []
  try {
    for (const graph of graphs)
      runnables.push(await backend.compile(through(backend, passes, graph), store, { nameOf: (name) => name }))
    for (const { inputs, variables } of rounds) {
      await store.write(
        new Map([...types].map(([name, type]) => [name, hostArrayOf(type.dtype, variables[name] ?? [])])),
      )
      const values = new Map(Object.entries(variables))
      for (const [i, graph] of graphs.entries()) {
        const classes = { tolerance, isExact, activation: op, operandTolerance }
        const judge = judgeOf(classes, graph, inputs, values)
        const got = await runOnce(store, runnables[i] as Runnable, graph, inputs) // one for each graph
        for (const [name, output] of Object.entries(judge.outputs)) deviations.push(output(name, got.get(name)))
        const updated = await store.read(judge.updates.keys())
        for (const [name, update] of judge.updates) deviations.push(update(name, updated.get(name)))
        for (const [name, { data }] of judge.values) values.set(name, data)
      }
    }
  } finally {
    for (const runnable of runnables) runnable.dispose()
    store.dispose()
  }
  return deviations.reduce((worst, found) => ((found?.ratio ?? -1) > (worst?.ratio ?? -1) ? found : worst), null)
}

/** Runs a program of one step on a backend and returns its outputs and the variables that it updates, by name. */
export const resultsOf = async (
  backend: Backend,
  program: Program,
  { inputs, variables }: { readonly inputs: Numbered; readonly variables: Numbered },
): Promise<ReadonlyMap<string, HostArray>> => {
  const graph = graphOf(program)
  const store = backend.createStore()
  const types = new Map(variablesOf(graph))
  for (const [name, type] of types) store.declare(name, type, () => hostArrayOf(type.dtype, variables[name] ?? []))
  const runnable = await backend.compile(program, store, { nameOf: (name) => name })
  try {
    const outputs = await runOnce(store, runnable, graph, inputs)
    return new Map([...(await store.read(types.keys())), ...outputs])
  } finally {
    runnable.dispose()
    store.dispose()
  }
}

type Judge = (name: string, got: HostArray | undefined) => Deviation | null

interface Classes {
  readonly tolerance: Tolerance
  readonly isExact: boolean
  readonly activation: OpName
  readonly operandTolerance: Tolerance | undefined
}

/** Runs the reference: a judge for each output and each update, and the new values of the variables. */
const judgeOf = (
  { tolerance, isExact, activation, operandTolerance }: Classes,
  graph: Graph,
  inputs: Numbered,
  variables: ReadonlyMap<string, Numbers>,
): {
  readonly outputs: { readonly [name: string]: Judge }
  readonly updates: ReadonlyMap<string, Judge>
  readonly values: ReadonlyMap<string, RefTensor>
} => {
  const expected = expectedOf(graph, { tolerance, isExact }, inputs, variables)
  const operands =
    operandTolerance === undefined
      ? null
      : expectedOf(before(activation, graph), { tolerance: operandTolerance, isExact }, inputs, variables)
  return {
    outputs: Object.fromEntries(
      Object.entries(expected.outputs).map(([output, of]): [string, Judge] => [
        output,
        (name, got) => worstElement(name, got, of, operands?.outputs[output] ?? null),
      ]),
    ),
    updates: new Map(
      [...expected.updates].map(([update, of]): [string, Judge] => [
        update,
        (name, got) => worstElement(name, got, of, null),
      ]),
    ),
    values: expected.values,
  }
}

/** The graph with the operands of its last activations as its outputs. */
const before = (activation: OpName, graph: Graph): Graph => ({
  ...graph,
  outputs: graph.outputs.map(({ name, value }) => {
    const { op, inputs } = nodeAt(graph, value.id)
    return { name, value: op === activation ? (inputs[0] ?? value) : value }
  }),
})

/** Runs the reference: its results, with the numbers that their tolerance depends on. */
const expectedOf = (
  graph: Graph,
  { tolerance, isExact }: Pick<Classes, 'tolerance' | 'isExact'>,
  inputs: Numbered,
  variables: ReadonlyMap<string, Numbers>,
): {
  readonly outputs: { readonly [name: string]: Expected }
  readonly updates: ReadonlyMap<string, Expected>
  readonly values: ReadonlyMap<string, RefTensor>
} => {
  const want = interpret(graph, { inputs, variables, mode: 'declared' })
  const magnitudes =
    tolerance !== 'accumulation'
      ? null
      : interpret(graph, {
          inputs: Object.fromEntries(Object.entries(inputs).map(([name, data]) => [name, magnitudesOf(data)])),
          variables: new Map([...variables].map(([name, data]) => [name, magnitudesOf(data)])),
          mode: 'float64',
        })
  const halves = isRounded(tolerance) ? halfErrorsOf(graph, { inputs, variables }) : null
  const floats = [...inputTypes(graph), ...variablesOf(graph)].filter(([, { dtype }]) => isFloat(dtype))
  const operandsMost = largestOf(floats.map(([name]) => inputs[name] ?? variables.get(name) ?? []))
  const roundings = roundingsOf(graph)
  const expected = (
    tensor: RefTensor,
    magnitude: RefTensor | undefined,
    halfErrors: Float64Array | undefined,
    roundings: number | undefined,
  ): Expected => {
    const row = toleranceOf(tolerance, tensor.dtype, isExact, roundings ?? 0)
    const largest = Math.max(1, operandsMost, largestOf([tensor.data]))
    return { want: tensor, row, magnitudes: magnitude, largest, halfErrors }
  }
  return {
    outputs: Object.fromEntries(
      Object.entries(want.outputs).map(([name, tensor]) => [
        name,
        expected(tensor, magnitudes?.outputs[name], halves?.outputs.get(name), roundings.outputs.get(name)),
      ]),
    ),
    updates: new Map(
      [...want.updates].map(([name, tensor]) => [
        name,
        expected(tensor, magnitudes?.updates.get(name), halves?.updates.get(name), roundings.updates.get(name)),
      ]),
    ),
    values: want.updates,
  }
}

const magnitudesOf = (numbers: Numbers): Float64Array => Float64Array.from(numbers).map(Math.abs)

const runOnce = async (
  store: Store,
  runnable: Runnable,
  graph: Graph,
  inputs: Numbered,
): Promise<ReadonlyMap<string, HostArray>> => {
  const feeds = new Map(
    [...inputTypes(graph)].map(([name, type]) => [name, { type, host: hostArrayOf(type.dtype, inputs[name] ?? []) }]),
  )
  const at = { seed: 0, runIndex: 0, replica: 0 }
  const results = await store.turn((turn) => runnable.run(turn, [mainStep], feeds, at))
  const read = new Map<string, HostArray>()
  for (const [name, tensor] of results) {
    read.set(name, await tensor.read())
    tensor.dispose()
  }
  return read
}

const variablesOf = (graph: Graph): readonly (readonly [string, Type])[] =>
  nodesOf(graph).flatMap((node) => {
    const [type] = node.types
    return node.op === 'variable' && type !== undefined ? [[node.attrs.name, type] as const] : []
  })

/** The graph as a program, after the given passes. */
export const through = (backend: Backend, passes: readonly Pass[], graph: Graph): Program =>
  runPasses(passes, programOf(graph), { target: backend.target, report: () => {} })

/** Do the class's results carry roundings of what they are computed from? */
const isRounded = (tolerance: Tolerance): boolean => tolerance === 'accumulation' || tolerance === 'composite'

const largestOf = (lists: readonly Numbers[]): number => {
  let most = 0
  for (const numbers of lists)
    for (let i = 0; i < numbers.length; i++) {
      const size = Math.abs(numbers[i] ?? 0)
      if (Number.isFinite(size) && size > most) most = size
    }
  return most
}
