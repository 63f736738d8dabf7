/** Matrix products, for matmul and for the convolutions that are products. */
import { elements, type Type } from '../../../ir/types.ts'
import type { Operand } from '../plan-types.ts'
import type { Planner } from '../planner.ts'
import { transposed } from './movement.ts'
import { as } from './shared.ts'

/** Product of [B, M, K] and [B, K, N], operands transposed as told; gives [B, M, N]. */
export const product = (
  a: Operand,
  b: Operand,
  flags: { readonly transposeA: boolean; readonly transposeB: boolean },
  type: Type,
  planner: Planner,
): number => {
  // On wasm a transposing product is 5 to 14 times slower than Transpose and a plain product.
  const isSlow = planner.device.kind === 'wasm'
  const swap = (x: Operand): Operand => transposed(x, [0, 2, 1], planner)
  const [left, right] = isSlow ? [flags.transposeA ? swap(a) : a, flags.transposeB ? swap(b) : b] : [a, b]
  return planner.kernel(
    'BatchMatMul',
    { a: left, b: right },
    isSlow ? { transposeA: false, transposeB: false } : { ...flags },
    type,
  )
}

/** The last two axes as they are, all others as one. */
export const asBatch = (x: Operand): Operand => {
  const [rows = 1, columns = 1] = x.shape.slice(-2)
  return as(x, [elements(x.shape.slice(0, -2)), rows, columns])
}
