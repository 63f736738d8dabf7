/**
 * How far a backend's result may be from the reference, by tolerance class (op-def.ts) and dtype. Written down once, for all backends.
 *
 * A result r is accepted against the reference w where |r - w| <= relative * |w| + absolute * scale; NaN fits NaN, infinities must agree,
 * 0 fits -0. With eps the distance of 1 to the next number of the dtype (float32 2^-23, float16 2^-10, bfloat16 2^-7):
 *
 * class           relative  absolute  scale
 * exact           0         0
 * rounding        0         0         one rounding of + - * / sqrt: the same bits, where TargetInfo.exactOps names the op; else as transcendental
 * transcendental  16 eps    4 eps     1                                   half types: 2 eps, 1 eps: one rounding of a good float32
 * accumulation    1 eps     16 eps    the op on the operands' magnitudes: what the sum would be if nothing cancelled
 * composite       32 eps    32 eps    largest magnitude of the reference, at least 1
 */
import type { Tolerance as ToleranceClass } from '../ir/signatures.ts'
import type { DType } from '../ir/types.ts'

export interface ToleranceRow {
  readonly relative: number
  readonly absolute: number
  readonly scale: 'one' | 'magnitudes' | 'largest'
}

/** Distance of 1 to the next number; 0 for integers, which are exact in every class. */
export const epsilon: { readonly [D in DType]: number } = {
  float32: 2 ** -23,
  float16: 2 ** -10,
  bfloat16: 2 ** -7,
  int32: 0,
  bool: 0,
}

interface Factors {
  readonly relative: number
  readonly absolute: number
  readonly scale: ToleranceRow['scale']
}
const factors: { readonly [C in ToleranceClass]: { readonly float32: Factors; readonly half: Factors } } = {
  exact: both({ relative: 0, absolute: 0, scale: 'one' }),
  rounding: both({ relative: 0, absolute: 0, scale: 'one' }),
  transcendental: {
    float32: { relative: 16, absolute: 4, scale: 'one' },
    half: { relative: 2, absolute: 1, scale: 'one' },
  },
  accumulation: both({ relative: 1, absolute: 16, scale: 'magnitudes' }),
  composite: both({ relative: 32, absolute: 32, scale: 'largest' }),
}
function both(row: Factors): { readonly float32: Factors; readonly half: Factors } {
  return { float32: row, half: row }
}

/** The row for a result of this dtype. */
export const toleranceOf = (given: ToleranceClass, dtype: DType, isExact = true): ToleranceRow => {
  const toleranceClass = given === 'rounding' && !isExact ? 'transcendental' : given
  const { relative, absolute, scale } = factors[toleranceClass][dtype === 'float32' ? 'float32' : 'half']
  return { relative: relative * epsilon[dtype], absolute: absolute * epsilon[dtype], scale }
}
