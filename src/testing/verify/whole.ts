/** Verifies a whole compiled program. It finds faults of order, memory and cached operands. */
import { type Backend, hostArrayOf } from '../../backends/backend.ts'
import { resultsOf } from '../../backends/conformance.ts'
import { epsilon } from '../../backends/tolerance.ts'
import { specsOf } from '../../executable/variable-spec.ts'
import { costOf } from '../../ir/cost.ts'
import { liveOrder } from '../../ir/graph.ts'
import { initialValues } from '../../ir/initializers.ts'
import { interpret, type Interpretation } from '../../ir/interpret.ts'
import type { RefTensor } from '../../ir/op-def.ts'
import { type Graph, isFloat } from '../../ir/types.ts'
import { graphOf, type Program, programOf } from '../../passes/program.ts'
import { generator, randomFeeds } from '../../passes/random-feeds.ts'
import { numbersOf, type Trial } from '../trial.ts'
import { type Judged, type JudgedTrial, smallestFailure } from './judge.ts'

/** The reference does not run larger graphs as a whole. */
const multiplyAddsMax = 5e8
/** Larger graphs are not shrunk, because each step of the search runs the graph on the reference. */
const shrunkMultiplyAddsMax = 1e6

/** Why the program is not verified as a whole; null if it is. */
export const reasonAgainstWhole = (program: Program): string | null => {
  if (program.steps.length > 1) return 'it runs in several steps: see its kernels'
  const { multiplyAdds } = costOf(graphOf(program))
  return multiplyAdds > multiplyAddsMax ? `${Math.round(multiplyAdds / 1e6)} M multiply-adds are too many` : null
}

/** The tolerance as a multiple of the reference's own rounding error. It covers other orders of sums and other elementary functions. */
export const wholeFactor = 64

/** The program's graph with random inputs, and with variables near their initial values. */
export const wholeTrial = (program: Program, seed: number): Trial => {
  const graph = graphOf(program)
  const next = generator(seed)
  const { inputs } = randomFeeds([graph], new Set(), next)
  return {
    op: liveOrder(graph).at(-1)?.op ?? 'constant', // for the file of a failure: the graph is not judged by an op's tolerance
    graphs: [graph],
    rounds: [{ inputs: numbersOf(Object.entries(inputs)), variables: numbersOf(nearInitial(graph, seed, next)) }],
    isFused: false,
  }
}

/** The judgement of a whole graph, with the result that is nearest to its tolerance or farthest beyond it. */
export interface JudgedWhole extends Judged {
  readonly result: string
}

/** Runs the graph, which has passed all passes, on the backend. @param name of the program */
export const judgeWhole = async (backend: Backend, name: string, { graphs, rounds }: Trial): Promise<JudgedWhole> => {
  const [graph] = graphs
  const [round] = rounds
  let worst: JudgedWhole = { isAccepted: true, error: 0, tolerance: 0, ratio: 0, result: '' }
  if (graph === undefined || round === undefined) return worst
  const { inputs } = round
  const variables = new Map(Object.entries(round.variables).map(([of, data]) => [of, Float64Array.from(data)]))
  try {
    const got = await resultsOf(backend, programOf(graph, name), { inputs, variables: round.variables })
    const exact = resultsByName(interpret(graph, { inputs, variables, mode: 'float64' }))
    const rounded = resultsByName(interpret(graph, { inputs, variables }))
    for (const [result, want] of exact) {
      const near = rounded.get(result)?.data ?? want.data
      const largest = want.data.reduce((most, x) => (Number.isFinite(x) ? Math.max(most, Math.abs(x)) : most), 1)
      const lost = largestDifference(want.data, near)
      const tolerance = wholeFactor * Math.max(Number.isFinite(lost) ? lost : 0, epsilon[want.dtype] * largest)
      const error = largestDifference(want.data, got.get(result) ?? [])
      const ratio = error === 0 ? 0 : error / tolerance // integers have the tolerance 0
      if (ratio > worst.ratio || worst.result === '')
        worst = { isAccepted: ratio <= 1, error, tolerance, ratio, result }
    }
    return worst
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    return { isAccepted: false, error: message, tolerance: 0, ratio: Infinity, result: '' }
  }
}

/** A smaller graph that fails in the same way, if the graph is small enough to search. */
export const smallestWhole = async (backend: Backend, name: string, failed: JudgedTrial): Promise<JudgedTrial> => {
  const { multiplyAdds } = costOf(failed.trial.graphs[0] as Graph) // wholeTrial() has one
  if (multiplyAdds > shrunkMultiplyAddsMax) return failed
  return smallestFailure((trial) => judgeWhole(backend, name, trial), failed)
}

/** Initial values, where all-zero and all-one variables are perturbed. Arbitrary random numbers would overflow in deep networks. */
const nearInitial = (graph: Graph, seed: number, next: () => number): ReadonlyMap<string, Float64Array> =>
  new Map(
    specsOf([graph]).map(({ name, type, init }) => {
      const isPlain = init.kind === 'zeros' || init.kind === 'ones'
      const first = initialValues(init, type.shape, { seed, name })
      const values = Array.from(first, (x) => (isPlain && isFloat(type.dtype) ? x + (next() - 0.5) / 2 : x))
      return [name, Float64Array.from(hostArrayOf(type.dtype, values))]
    }),
  )

const resultsByName = ({ outputs, updates }: Interpretation): ReadonlyMap<string, RefTensor> =>
  new Map([...updates, ...Object.entries(outputs)])

/** The largest difference. A number that overflows in one may be large in the other. */
const largestDifference = (want: Float64Array, got: ArrayLike<number>): number =>
  want.length !== got.length
    ? Infinity
    : want.reduce((most, x, i) => {
        const r = got[i] as number // equal lengths
        if (x === r || !Number.isFinite(x)) return most
        return Math.max(most, Number.isFinite(r) ? Math.abs(x - r) : Infinity)
      }, 0)
