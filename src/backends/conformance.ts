/**
 * Does a backend compute what the ops mean? One graph at a time against the reference interpreter.
 * The random cases and their shrinking are in src/testing/conformance.ts, which binds them to this.
 */
import { findNode } from '../ir/graph.ts'
import { interpret, type Numbers } from '../ir/interpret.ts'
import { opDef } from '../ir/ops/index.ts'
import type { RefTensor } from '../ir/op-def.ts'
import type { OpName } from '../ir/signatures.ts'
import { elements, isFloat, type Graph } from '../ir/types.ts'
import { isProgramPass } from '../passes/pass.ts'
import { mainStep, mapGraphs, type Program, programOf } from '../passes/program.ts'
import { hostArrayOf, type Backend, type HostArray } from './backend.ts'
import { toleranceOf, type ToleranceRow } from './tolerance.ts'

export interface ConformanceCase {
  /** The op under test: its tolerance class judges the results. */
  readonly op: OpName
  readonly graph: Graph
  readonly inputs: { readonly [name: string]: Numbers }
}

/** The worst element of a case: how far off it is and how far it may be. `ratio` above 1 is a failure; infinite where nothing else fits. */
export interface Deviation {
  readonly output: string
  readonly index: number
  readonly got: number
  readonly want: number
  readonly error: number
  readonly tolerance: number
  readonly ratio: number
}

/** Runs the case on the backend and on the reference; gives the worst element. */
export const runCase = async (backend: Backend, { op, graph, inputs }: ConformanceCase): Promise<Deviation | null> => {
  const want = interpret(graph, { inputs, mode: 'declared' }).outputs
  const got = await runOnce(backend, graph, inputs)
  const magnitudes = interpret(graph, {
    inputs: Object.fromEntries(Object.entries(inputs).map(([name, data]) => [name, Array.from(data, Math.abs)])),
    mode: 'float64',
  }).outputs
  let worst: Deviation | null = null
  for (const [output, tensor] of Object.entries(want)) {
    const row = toleranceOf(opDef(op).tolerance, tensor.dtype)
    const found = worstElement(output, got.get(output), tensor, magnitudes[output], row)
    if (found !== null && (worst === null || found.ratio > worst.ratio)) worst = found
  }
  return worst
}

/** The graph through the backend's own passes, compiled and run once. */
const runOnce = async (
  backend: Backend,
  graph: Graph,
  inputs: ConformanceCase['inputs'],
): Promise<ReadonlyMap<string, HostArray>> => {
  const store = backend.createStore()
  const runnable = await backend.compile(legalized(backend, graph), { bind: (name) => ({ store, name }) })
  try {
    const feeds = new Map(
      graph.inputs.flatMap((id) => {
        const node = findNode(graph, id)
        const [type] = node?.types ?? []
        return node?.op !== 'input' || type === undefined
          ? []
          : [[node.attrs.name, { type, host: hostArrayOf(type.dtype, inputs[node.attrs.name] ?? []) }] as const]
      }),
    )
    const results = await runnable.run(mainStep, feeds, { seed: 0, runIndex: 0, replica: 0 })
    const read = new Map<string, HostArray>()
    for (const [name, tensor] of results) {
      read.set(name, await tensor.read())
      tensor.dispose()
    }
    return read
  } finally {
    runnable.dispose()
    store.dispose()
  }
}

const legalized = (backend: Backend, graph: Graph): Program => {
  const cx = { target: backend.target, report: () => {} }
  return backend.legalize.reduce(
    (program, pass) =>
      isProgramPass(pass) ? pass.runProgram(program, cx) : mapGraphs(program, (each) => pass.run(each, cx)),
    programOf(graph),
  )
}

const worstElement = (
  output: string,
  got: HostArray | undefined,
  want: RefTensor,
  magnitudes: RefTensor | undefined,
  row: ToleranceRow,
): Deviation | null => {
  if (got?.length !== elements(want.shape))
    return { output, index: 0, got: Number.NaN, want: Number.NaN, error: Infinity, tolerance: 0, ratio: Infinity }
  const largest = want.data.reduce((most, x) => (Number.isFinite(x) ? Math.max(most, Math.abs(x)) : most), 1)
  let worst: Deviation | null = null
  want.data.forEach((w, index) => {
    const g = got[index] as number
    const scale = row.scale === 'one' ? 1 : row.scale === 'largest' ? largest : Math.abs(magnitudes?.data[index] ?? 1)
    const tolerance =
      isFloat(want.dtype) && Number.isFinite(w)
        ? row.relative * Math.abs(w) + row.absolute * (Number.isFinite(scale) ? scale : 0)
        : 0
    const error =
      g === w || (Number.isNaN(g) && Number.isNaN(w))
        ? 0
        : Number.isFinite(g) && Number.isFinite(w)
          ? Math.abs(g - w)
          : Infinity
    const ratio = error === 0 ? 0 : error / tolerance
    if (worst === null || ratio > worst.ratio) worst = { output, index, got: g, want: w, error, tolerance, ratio }
  })
  return worst
}
