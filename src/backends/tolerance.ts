/**
 * The allowed error of a backend's result, by tolerance class (op-def.ts), dtype and number of roundings (roundings.ts). It is defined once for all
 * backends; docs/verification.md derives it.
 *
 * A result r is accepted for the reference w if |r - w| <= relative * |w| + absolute * scale. NaN fits NaN, infinities must agree, and 0 fits -0.
 * eps is the distance of 1 to the next number of the dtype (float32 2^-23, float16 2^-10, bfloat16 2^-7), u = eps / 2 is the largest relative error
 * of one rounding, L is the number of roundings, and g(L) = min(L, 6 sqrt(L)) bounds the sum of L independent roundings:
 *
 * class           relative  absolute                          scale
 * exact           0         0
 * rounding        0         0                                 the same bits, if TargetInfo.exactOps names the op; else as transcendental
 * transcendental  16 eps    4 eps                             1; half types: 2 eps, 1 eps: one rounding of a good float32
 * accumulation    1 eps     g(L) u of float32                 the op on the operands' magnitudes: the sum without cancellation
 * composite       1 eps     g(L) u of float32                 largest magnitude of float operands and result, at least 1
 *
 * Roundings to half types inside of the last two have their own bound for each element (half-errors.ts), which takes the place of the relative one.
 */
import type { Tolerance as ToleranceClass } from '../ir/signatures.ts'
import type { DType } from '../ir/types.ts'

export interface ToleranceRow {
  readonly relative: number
  readonly absolute: number
  readonly scale: 'one' | 'magnitudes' | 'largest'
}

/** The distance of 1 to the next number; 0 for integers, which are exact in every class. */
export const epsilon: { readonly [D in DType]: number } = {
  float32: 2 ** -23,
  float16: 2 ** -10,
  bfloat16: 2 ** -7,
  int32: 0,
  bool: 0,
}

/** Bounds the sum of this many independent roundings, except in one of 3e7 results (Higham and Mary 2019, with lambda = 6). */
export const growth = (roundings: number): number => Math.min(roundings, 6 * Math.sqrt(roundings))

/** The tolerance for a result of this dtype. */
export const toleranceOf = (given: ToleranceClass, dtype: DType, isExact: boolean, roundings: number): ToleranceRow => {
  const toleranceClass = given === 'rounding' && !isExact ? 'transcendental' : given
  const eps = epsilon[dtype]
  switch (toleranceClass) {
    case 'exact':
    case 'rounding':
      return { relative: 0, absolute: 0, scale: 'one' }
    case 'transcendental':
      return dtype === 'float32'
        ? { relative: 16 * eps, absolute: 4 * eps, scale: 'one' }
        : { relative: 2 * eps, absolute: eps, scale: 'one' }
    default: {
      const absolute = eps === 0 ? 0 : (growth(roundings) * epsilon.float32) / 2
      return { relative: eps, absolute, scale: toleranceClass === 'composite' ? 'largest' : 'magnitudes' }
    }
  }
}
