/**
 * Bounds how far a correct computation of a graph in the declared types may be from the one in real numbers: every op rounds, and has the error that
 * its tolerance class allows.
 */
import { growth, epsilon, toleranceOf } from './tolerance.ts'
import type { InterpretOptions } from '../ir/interpret.ts'
import { opDef } from '../ir/ops/index.ts'
import { formats } from '../ir/rounding.ts'
import { type Graph, isFloat } from '../ir/types.ts'
import { type OwnRounding, propagatedErrors, type ResultErrors } from './propagated-errors.ts'
import { termsOf } from './roundings.ts'

/** @param exactOps The ops that the backend rounds as IEEE 754 does (TargetInfo.exactOps). */
export const roundingErrorsOf = (
  graph: Graph,
  feeds: Pick<InterpretOptions, 'inputs' | 'variables'>,
  exactOps: readonly string[],
): ResultErrors => propagatedErrors(graph, feeds, ownRounding(exactOps))

const ownRounding =
  (exactOps: readonly string[]): OwnRounding =>
  ({ graph, node, value, carried, magnitudes }) => {
    const { tolerance } = opDef(node.op)
    const { dtype, data } = value
    if (tolerance === 'exact' || !isFloat(dtype)) return carried
    const { precision, exponentMin } = formats[dtype]
    const u = epsilon[dtype] / 2
    // Backends may replace subnormal numbers of float32 by 0.
    const smallest = 2 ** (dtype === 'float32' ? exponentMin : exponentMin - precision)
    const row = toleranceOf(tolerance, dtype, exactOps.includes(node.op), 0)
    const sums = tolerance === 'accumulation' ? magnitudes() : null
    const perTerm = sums === null ? 0 : growth(termsOf(graph, node)) * (epsilon.float32 / 2)
    return data.map((y, i) => {
      const before = carried?.[i] ?? 0
      const size = Math.abs(y) + before
      const own = Math.max(u * size, row.relative * size + row.absolute, smallest) + perTerm * (sums?.[i] ?? 0)
      return Number.isNaN(own) || !Number.isFinite(y) ? before : before + own
    })
  }
