/** Matrix products, for matmul and for the convolutions that are products. */
import { elements, type Type } from '../../../ir/types.ts'
import type { Operand } from '../plan-types.ts'
import type { Planner } from '../planner.ts'
import { transposed } from './movement.ts'
import { as } from './shared.ts'

interface Flags {
  readonly transposeA: boolean
  readonly transposeB: boolean
}

/** Product of [B, M, K] and [B, K, N], with operands transposed as the flags say; gives [B, M, N]. */
export const product = (a: Operand, b: Operand, flags: Flags, type: Type, planner: Planner): number => {
  if (planner.device.kind !== 'wasm') return planner.kernel('BatchMatMul', { a, b }, { ...flags }, type)
  return isBetterTurned(a, b, flags, type)
    ? turnedProduct(a, b, type, planner)
    : plainProduct(a, b, flags, type, planner)
}

/** On wasm a transposing product is 5 to 14 times slower than Transpose and a plain product. */
const plainProduct = (a: Operand, b: Operand, flags: Flags, type: Type, planner: Planner): number =>
  planner.kernel(
    'BatchMatMul',
    { a: flags.transposeA ? swapped(a, planner) : a, b: flags.transposeB ? swapped(b, planner) : b },
    { transposeA: false, transposeB: false },
    type,
  )

/** XNNPACK packs the right operand again for each new buffer. Per element this takes about this many times as long as Transpose. */
const packingCost = 4
/** If the rows of the result are a multiple of 4096 bytes apart, Transpose's writes use the same few cache lines. */
const transposeCost = ({ shape }: Operand): number => ((shape[1] ?? 1) % 1024 === 0 ? 6 : 1)

/** If the right operand is larger, a transposed left operand can be the right one instead: AT B = (BT A)T. */
const isBetterTurned = (a: Operand, b: Operand, { transposeA, transposeB }: Flags, type: Type): boolean => {
  const [left, right] = [elements(a.shape), elements(b.shape)]
  const turned = packingCost * left + transposeCost(b) * right + elements(type.shape)
  return transposeA && !transposeB && turned < packingCost * right + transposeCost(a) * left
}

const turnedProduct = (a: Operand, b: Operand, type: Type, planner: Planner): number => {
  const [batch = 1, , m = 1] = a.shape
  const n = b.shape[2] ?? 1
  const turned: Type = { dtype: type.dtype, shape: [batch, n, m] }
  const slot = planner.kernel(
    'BatchMatMul',
    { a: swapped(b, planner), b: a },
    { transposeA: false, transposeB: false },
    turned,
  )
  return swapped({ ...turned, slot }, planner).slot
}

const swapped = (x: Operand, planner: Planner): Operand => transposed(x, [0, 2, 1], planner)

/** The last two axes unchanged, all others merged into one. */
export const asBatch = (x: Operand): Operand => {
  const [rows = 1, columns = 1] = x.shape.slice(-2)
  return as(x, [elements(x.shape.slice(0, -2)), rows, columns])
}
