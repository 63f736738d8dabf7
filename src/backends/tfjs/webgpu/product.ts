/** Matrix products by three of tfjs's four programs. The fourth adds by atomics, so its sums differ between runs. */
import { elements, type Type } from '../../../ir/types.ts'
import { as } from '../lower/shared.ts'
import type { LowerFunction } from '../lowering.ts'
import type { Operand } from '../plan-types.ts'
import type { Planner } from '../planner.ts'
import { asBatch } from '../lower/product.ts'
import { made } from '../lower/shared.ts'
import { fitsDispatch, largeProduct, partsOfRows } from './large.ts'
import { reduced } from './reduction.ts'

interface Flags {
  readonly transposeA: boolean
  readonly transposeB: boolean
}

/** tfjs's numbers of the programs: a reduction per result for few results, small tiles for few workgroups, large tiles. */
const programs = { reduce: 0, smallOutput: 2, packed: 3 } as const

/** Selects a program as tfjs does, except the one with atomics. */
export const productProgram = (batch: number, rows: number, columns: number): number => {
  const workgroups = batch * Math.ceil(rows / 32) * Math.ceil(columns / 32)
  const hasFew = workgroups <= 8 || (rows <= 8 && workgroups <= 16)
  if (!hasFew) return programs.packed
  return batch * rows * columns <= 128 ? programs.reduce : programs.smallOutput
}

/** The product [B, M, N] of [B, M, K] and [B, K, N], with operands transposed as the flags say. */
export const webgpuProduct = (a: Operand, b: Operand, flags: Flags, type: Type, planner: Planner): number => {
  const [batch = 1] = a.shape
  const rows = a.shape[flags.transposeA ? 2 : 1] ?? 1
  const columns = b.shape[flags.transposeB ? 1 : 2] ?? 1
  const run = (left: Operand, parts: number): number => {
    const program = productProgram(batch * parts, rows / parts, columns)
    return planner.kernel('BatchMatMul', { a: left, b }, { ...flags }, type, program)
  }
  if (fitsDispatch(batch, rows, columns)) return run(a, 1)
  // Splits the rows into batches that share the right operand.
  const parts = batch === 1 && !flags.transposeA && fitsDispatch(1, 1, columns) ? partsOfRows(rows) : null
  if (parts === null) return largeProduct(a, b, flags, type, planner)
  return run(as(a, [parts, rows / parts, a.shape[2] ?? 1]), parts)
}

/** The wanted number of inner elements per slice. */
const sliceWanted = 512

/** a^T b of [1, K, M] and [1, K, N] with a long K: a batched product of slices of equal length, then their sum. */
export const slicedProduct = (a: Operand, b: Operand, type: Type, planner: Planner): number => {
  const [, length = 1, rows = 1] = a.shape
  const columns = b.shape[2] ?? 1
  const slices = slicesOf(length)
  const parts: Type = { dtype: type.dtype, shape: [slices, rows, columns] }
  const flags = { transposeA: true, transposeB: false }
  const slot = webgpuProduct(
    as(a, [slices, length / slices, rows]),
    as(b, [slices, length / slices, columns]),
    flags,
    parts,
    planner,
  )
  if (slices === 1) return slot
  const group = { outer: 1, reduced: slices, inner: rows * columns }
  const operands = [{ ...parts, slot, shape: [1, slices, elements([rows, columns])] }]
  return reduced({ name: 'product', fold: 'sum', group, operands }, type.dtype, planner).slot
}

/** The number of slices. It divides the length, because a reshape makes the slices. */
const slicesOf = (length: number): number => {
  for (let slices = Math.ceil(length / sliceWanted); slices <= length / 64; slices++)
    if (length % slices === 0) return slices
  return 1
}

export const lowerMatmul: LowerFunction<'matmul'> = ({
  attrs: { transposeA, transposeB },
  inputs: [a, b],
  types: [type],
  planner,
}) => [
  made(
    webgpuProduct(asBatch(planner.dense(a)), asBatch(planner.dense(b)), { transposeA, transposeB }, type, planner),
    type,
  ),
]
