/** Staging: a block of rows computes a factor once, into scratch memory, instead of again for each tile of columns. */
import type { Expr, Phase } from '../kernel/kernel.ts'
import { isAlwaysInside } from '../kernel/linear.ts'
import { axesIn, reachedFrom } from '../kernel/rewrite.ts'
import { type AxisBindings, asExpr, type Point } from './bindings.ts'
import type { LoopExpr } from './loops.ts'
import type { Schedule } from './schedule.ts'

/** A staged factor. Its layout in scratch memory is [rows, axes]. */
export interface Staged {
  readonly expr: number
  /** The reduced axes that it depends on. */
  readonly axes: readonly number[]
  /** The number of elements of the factors before it. */
  readonly start: number
  /** The number of elements of one row. */
  readonly rowSize: number
}

/** The maximum number of elements in scratch memory. They must fit into the L1 cache beside the other operands. */
const elementsMax = 16_384

/** Why these factors cannot be staged; null if they can. `order`: the parallel axes from the outermost loop to the innermost. */
export const stagingFault = (phase: Phase, schedule: Schedule, order: readonly number[]): string | null => {
  if (schedule.staged.length === 0) return null
  for (const expr of schedule.staged) {
    const fault = factorFault(
      phase,
      expr,
      schedule.rowAxis === null ? [] : order.slice(0, order.indexOf(schedule.rowAxis) + 1),
    )
    if (fault !== null) return `the staged expression ${expr} ${fault}`
  }
  const size = scratchSizeOf(phase, schedule)
  return size > elementsMax ? `${size} staged elements are more than ${elementsMax}` : null
}

/** `outside`: the row axis and the axes outside of it. */
const factorFault = (phase: Phase, at: number, outside: readonly number[]): string | null => {
  if (outside.length === 0) return 'has no rows'
  const expr = phase.exprs[at]
  if (expr === undefined || expr.dtype !== 'float32') return 'is not float32'
  const accumulators = phase.accumulators.filter(({ factors }) => factors.includes(at))
  if (accumulators.length !== 1) return 'is not a factor of one accumulator'
  const [{ axes, guard, monoid }] = accumulators as [(typeof accumulators)[number]]
  if (guard !== null || monoid === 'argmax') return 'is a factor of a guarded accumulator or of an argmax'
  const reached = [...reachedFrom(phase, [at])].map((each) => phase.exprs[each] as Expr) // verified
  const isOpen = reached.some(
    (each) =>
      each.kind === 'accumulated' ||
      (each.kind === 'load' && each.coordinates.some((coordinate) => !isAlwaysInside(coordinate, phase.axes))),
  )
  if (isOpen) return 'reads outside of a buffer, or uses an accumulator'
  const own = [...axesIn(phase, reachedFrom(phase, [at]))]
  if (!own.includes(outside.at(-1) as number)) return 'does not depend on the row axis'
  if (own.some((axis) => axis < phase.parallel && !outside.includes(axis)))
    return 'depends on a parallel axis inside of the row loop'
  return axes.some((axis) => own.includes(axis)) ? null : 'depends on no reduced axis'
}

export const stagedFactors = (phase: Phase, { staged, rows }: Schedule): readonly Staged[] => {
  let start = 0
  return staged.map((expr) => {
    const axes = [...axesIn(phase, reachedFrom(phase, [expr]))]
      .filter((axis) => axis >= phase.parallel)
      .sort((a, b) => a - b)
    const rowSize = axes.reduce((product, axis) => product * (phase.axes[axis] as number), 1)
    const factor: Staged = { expr, axes, start, rowSize }
    start += rows * rowSize
    return factor
  })
}

export const scratchSizeOf = (phase: Phase, schedule: Schedule): number =>
  stagedFactors(phase, schedule).reduce((total, { rowSize }) => total + schedule.rows * rowSize, 0)

/** The address of a staged factor at a point of the tile, with the current bindings of the reduced axes. */
export const stagedPlace = (
  phase: Phase,
  { axes, start, rowSize }: Staged,
  { row, column }: Point,
  bindings: AxisBindings,
): LoopExpr => {
  let stride = 1
  const terms = [...axes].reverse().map((axis) => {
    const term = { axis, stride }
    stride *= phase.axes[axis] as number
    return term
  })
  return asExpr(bindings.affine({ offset: start + row * rowSize, terms }, { row: 0, column }))
}
