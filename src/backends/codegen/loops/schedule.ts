/**
 * A schedule says in which order the points of a phase are computed. It is plain data, and `scheduleFault` checks whether it is legal. Every legal
 * schedule gives the same values.
 */
import type { Accumulator, Expr, Linear, Phase } from '../kernel/kernel.ts'
import { termsOf } from '../kernel/rewrite.ts'
import { stagingFault } from './staging.ts'
import { vectorFault } from './vectors.ts'

/** A tile is computed at once: `rows` adjacent points of one axis times `vectors` vectors of another axis. Loops run over tiles. */
export interface Schedule {
  /** The axis that is vectorized; null: scalar code. */
  readonly vectorAxis: number | null
  readonly vectors: number
  readonly rowAxis: number | null
  readonly rows: number
  /**
   * The parallel axes with the innermost loops, from the outer loop to the inner loop. The loops of other parallel axes are outside of them, in
   * ascending order.
   */
  readonly order: readonly number[]
  /** Reduced axes that are fully unrolled. */
  readonly unrolled: readonly number[]
  /** The parallel axis whose tiles are the units of work, which different calls may compute; null: one call computes everything. */
  readonly divided: number | null
  /**
   * Factors of accumulators that are computed once for each block of rows, into scratch memory, before the loops inside of the rows (staging.ts).
   * Worth it for expensive factors that many columns use.
   */
  readonly staged: readonly number[]
  /** The number of terms per block of a compensated block sum (block-sums.ts). 0: sums add term by term. */
  readonly block: number
}

export const plainSchedule: Schedule = {
  vectorAxis: null,
  vectors: 1,
  rowAxis: null,
  rows: 1,
  order: [],
  unrolled: [],
  divided: null,
  staged: [],
  block: 0,
}

/** All parallel axes from the outermost loop to the innermost loop. */
export const orderOf = ({ parallel }: Phase, { order }: Schedule): readonly number[] => [
  ...Array.from({ length: parallel }, (_, axis) => axis).filter((axis) => !order.includes(axis)),
  ...order,
]

/** The maximum number of unrolled terms. */
const unrolledMax = 64

/** Why the schedule is illegal for the phase; null if it is legal. */
export const scheduleFault = (phase: Phase, schedule: Schedule): string | null => {
  const { vectorAxis, vectors, rowAxis, rows } = schedule
  const isParallel = (axis: number): boolean => axis >= 0 && axis < phase.parallel
  if (vectors < 1 || rows < 1) return 'a tile must have at least one point'
  if (rowAxis !== null && (!isParallel(rowAxis) || rowAxis === vectorAxis))
    return `axis ${rowAxis} is not a parallel axis other than the vector axis`
  const fault = loopFault(phase, schedule) ?? stagingFault(phase, schedule, orderOf(phase, schedule))
  if (fault !== null) return fault
  if (vectorAxis === null) return vectors === 1 ? null : 'vectors need a vector axis'
  if (!isParallel(vectorAxis)) return `axis ${vectorAxis} is not parallel`
  return vectorFault(phase, { axis: vectorAxis, depends: dependents(phase, vectorAxis) })
}

const loopFault = ({ axes, parallel }: Phase, { order, unrolled, divided }: Schedule): string | null => {
  const isParallel = (axis: number): boolean => axis >= 0 && axis < parallel
  if (!order.every(isParallel) || new Set(order).size < order.length)
    return `the order ${order.join(', ')} does not name distinct parallel axes`
  if (divided !== null && !isParallel(divided)) return `the divided axis ${divided} is not parallel`
  const odd = unrolled.find((axis) => axis < parallel || axis >= axes.length)
  if (odd !== undefined) return `the unrolled axis ${odd} is not reduced`
  const terms = unrolled.reduce((product, axis) => product * (axes[axis] as number), 1)
  return terms > unrolledMax ? `${terms} unrolled terms are more than ${unrolledMax}` : null
}

/** The expressions that depend on the axis. */
export const dependents = ({ exprs, accumulators }: Phase, axis: number): ReadonlySet<number> => {
  const found = new Set<number>()
  const isOn = ({ terms }: Linear): boolean => terms.some((term) => term.axis === axis)
  const depends = (expr: Expr): boolean => {
    switch (expr.kind) {
      case 'constant':
        return false
      case 'index':
        return isOn(expr.of)
      case 'random':
        return isOn(expr.index)
      case 'load':
      case 'inside':
        return expr.coordinates.some(({ at }) => (at.kind === 'linear' ? isOn(at) : found.has(at.expr)))
      case 'op':
        return expr.args.some((arg) => found.has(arg))
      case 'accumulated':
        return termsOf(accumulators[expr.accumulator] as Accumulator).some((term) => found.has(term)) // verified
    }
  }
  for (const [at, expr] of exprs.entries()) if (depends(expr)) found.add(at)
  return found
}
