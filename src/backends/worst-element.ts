/** Compares a backend's result with the reference's, element by element. */
import type { RefTensor } from '../ir/op-def.ts'
import { elements, isFloat } from '../ir/types.ts'
import type { HostArray } from './backend.ts'
import type { ToleranceRow } from './tolerance.ts'

/** The worst element of a case: its error and its tolerance. A `ratio` above 1 is a failure; it is infinite if it has no other value. */
export interface Deviation {
  readonly output: string
  readonly index: number
  readonly got: number
  readonly want: number
  readonly error: number
  readonly tolerance: number
  readonly ratio: number
}

/** A result of the reference, and the numbers that the tolerance of an element depends on. */
export interface Expected {
  readonly want: RefTensor
  readonly row: ToleranceRow
  readonly magnitudes: RefTensor | undefined
  /** The largest magnitude among the float operands and the result, at least 1. */
  readonly largest: number
  /** What roundings to half types inside of the graph may change. */
  readonly halfErrors: Float64Array | undefined
}

const allowedAt = ({ want, row, magnitudes, largest, halfErrors }: Expected, index: number): number => {
  const w = want.data[index] ?? Number.NaN
  const half = halfErrors?.[index] ?? 0
  if (!Number.isFinite(w)) return 0
  if (!isFloat(want.dtype)) return half
  const scale =
    row.scale === 'one'
      ? 1
      : row.scale === 'largest'
        ? largest
        : Math.max(Math.abs(w), Math.abs(magnitudes?.data[index] ?? 1))
  return Math.max(row.relative * Math.abs(w), half) + row.absolute * (Number.isFinite(scale) ? scale : 0)
}

/** NaN fits NaN, infinities must agree, and 0 fits -0. */
export const distance = (want: number, got: number): number =>
  want === got || (Number.isNaN(want) && Number.isNaN(got))
    ? 0
    : Number.isFinite(want) && Number.isFinite(got)
      ? Math.abs(got - want)
      : Infinity

/** @param operand For an activation: the values that it is applied to. */
export const worstElement = (
  output: string,
  got: HostArray | undefined,
  of: Expected,
  operand: Expected | null,
): Deviation | null => {
  const { want } = of
  if (got?.length !== elements(want.shape))
    return { output, index: 0, got: Number.NaN, want: Number.NaN, error: Infinity, tolerance: 0, ratio: Infinity }
  let worst: Deviation | null = null
  want.data.forEach((w, index) => {
    const g = got[index] as number
    const tolerance = allowedAt(of, index) + (operand === null ? 0 : allowedAt(operand, index))
    const error = distance(w, g)
    const ratio = error === 0 || tolerance === Infinity ? 0 : error / tolerance
    if (worst === null || ratio > worst.ratio) worst = { output, index, got: g, want: w, error, tolerance, ratio }
  })
  return worst
}
