/** The position on the rows of an operand, which determines the order of unrolled terms. */
import { stridesOf } from '../../../ir/ops/shape.ts'
import type { Expr, Linear, Phase } from '../kernel/kernel.ts'
import { scaled, sum } from '../kernel/linear.ts'
import { movesWith } from './guards.ts'

/** The row-major position that the first load among these factors reads which depends on the row axis; null if there is no such load. */
export const placeOnRows = (factors: readonly number[], phase: Phase, rowAxis: number | null): Linear | null => {
  if (rowAxis === null) return null
  for (const factor of factors) {
    const expr = phase.exprs[factor] as Expr // verified
    if (expr.kind !== 'load' || !expr.coordinates.some((each) => movesWith(each, rowAxis))) continue
    const strides = stridesOf(expr.coordinates.map(({ size }) => size))
    return sum(
      expr.coordinates.flatMap(({ at }, i) => (at.kind === 'linear' ? [scaled(at, strides[i] as number)] : [])),
    )
  }
  return null
}
