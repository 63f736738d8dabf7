/**
 * Bounds what roundings to half types inside a graph may change in its results. Two correct computations may round a value to neighbours of its half
 * type, or one of them may keep it wide (a relaxed cast in a region). What is computed of the value differs then; docs/verification.md derives how much.
 */
import { liveOrder } from '../ir/graph.ts'
import type { InterpretOptions } from '../ir/interpret.ts'
import { opDef } from '../ir/ops/index.ts'
import { formats } from '../ir/rounding.ts'
import { type Graph, type Half, isHalf, type Node } from '../ir/types.ts'
import { propagatedErrors, type ResultErrors } from './propagated-errors.ts'
import { primitivesOf } from './roundings.ts'

const none: ResultErrors = { outputs: new Map(), updates: new Map() }

/** The bounds of a graph's results on these feeds; a result's own rounding is included. */
export const halfErrorsOf = (graph: Graph, feeds: Pick<InterpretOptions, 'inputs' | 'variables'>): ResultErrors =>
  liveOrder(primitivesOf(graph)).some(roundsToHalf)
    ? propagatedErrors(graph, feeds, ({ node, value, carried }) => {
        const { dtype } = value
        if (!isHalf(dtype) || !roundsToHalf(node)) return carried
        return value.data.map((y, i) => {
          const error = carried?.[i] ?? 0
          return error + halfRounding(dtype, Math.abs(y) + error)
        })
      })
    : none

const roundsToHalf = ({ op, types }: Node): boolean =>
  opDef(op).level === 'primitive' && opDef(op).tolerance !== 'exact' && types.some(({ dtype }) => isHalf(dtype))

/** Two neighbours of a half type are apart by eps times the larger, or by its smallest number. */
const halfRounding = (dtype: Half, size: number): number => {
  const { precision, exponentMin } = formats[dtype]
  return Math.max(2 ** (1 - precision) * size, 2 ** (exponentMin - precision + 1))
}
