/** How the points of a phase are visited: plain data, with one function that says what is legal. Any legal schedule gives the same values. */
import type { Accumulator, Expr, Linear, Phase } from '../kernel/kernel.ts'
import { termsOf } from '../kernel/rewrite.ts'
import { stagingFault } from './staging.ts'
import { vectorFault } from './vectors.ts'

/** A tile of points is computed at once: `rows` neighbours on one axis times `vectors` vectors on another. Loops go from tile to tile. */
export interface Schedule {
  /** The axis whose neighbours are computed as vectors; null: one by one. */
  readonly vectorAxis: number | null
  readonly vectors: number
  readonly rowAxis: number | null
  readonly rows: number
  /** Parallel axes whose loops are innermost, from the outer one to the inner one. The others' are outside of them, in ascending order. */
  readonly order: readonly number[]
  /** Reduced axes without a loop: all their terms stand one after another. */
  readonly unrolled: readonly number[]
  /** The parallel axis whose tiles are units of work, which different calls may compute; null: one call computes all. */
  readonly divided: number | null
  /**
   * Factors of accumulators that are computed once for each block of rows, into scratch memory, before the loops inside of the rows (staging.ts).
   * Worth it for what is dear, and is used for many columns.
   */
  readonly staged: readonly number[]
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
}

/** Parallel axes from the outermost loop to the innermost. */
export const orderOf = ({ parallel }: Phase, { order }: Schedule): readonly number[] => [
  ...Array.from({ length: parallel }, (_, axis) => axis).filter((axis) => !order.includes(axis)),
  ...order,
]

/** More terms than this are not written out one after another. */
const unrolledMax = 64

/** What is wrong with the schedule for the phase; null where it is legal. */
export const scheduleFault = (phase: Phase, schedule: Schedule): string | null => {
  const { vectorAxis, vectors, rowAxis, rows } = schedule
  const isParallel = (axis: number): boolean => axis >= 0 && axis < phase.parallel
  if (vectors < 1 || rows < 1) return 'a tile has one point at least'
  if (rowAxis !== null && (!isParallel(rowAxis) || rowAxis === vectorAxis))
    return `axis ${rowAxis} is not a parallel axis besides that of the vectors`
  const fault = loopFault(phase, schedule) ?? stagingFault(phase, schedule, orderOf(phase, schedule))
  if (fault !== null) return fault
  if (vectorAxis === null) return vectors === 1 ? null : 'there is no axis for vectors'
  if (!isParallel(vectorAxis)) return `axis ${vectorAxis} is not parallel`
  return vectorFault(phase, { axis: vectorAxis, depends: dependents(phase, vectorAxis) })
}

const loopFault = ({ axes, parallel }: Phase, { order, unrolled, divided }: Schedule): string | null => {
  const isParallel = (axis: number): boolean => axis >= 0 && axis < parallel
  if (!order.every(isParallel) || new Set(order).size < order.length)
    return `the order ${order.join(', ')} is not one of different parallel axes`
  if (divided !== null && !isParallel(divided)) return `the divided axis ${divided} is not parallel`
  const odd = unrolled.find((axis) => axis < parallel || axis >= axes.length)
  if (odd !== undefined) return `the unrolled axis ${odd} is not reduced`
  const terms = unrolled.reduce((product, axis) => product * (axes[axis] as number), 1)
  return terms > unrolledMax ? `${terms} unrolled terms are more than ${unrolledMax}` : null
}

/** Expressions whose values depend on the axis. */
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
