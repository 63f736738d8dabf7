/**
 * erf on vectors of float32, within 2 units of the last place (test/backends/wasm/elementary.test.ts): near 0 a polynomial, where 1 - exp(...) would
 * lose all digits.
 */
import { polynomial, popOne, type StackOp } from '../stack-op.ts'
import { exp } from './exp.ts'

/** Up to here one, beyond the other. */
const limit = 0.927734375

/** erf(x) = x + x p(x^2) (both polynomials by N. Juffa, 2015, below one unit of the last place). */
const erfNear = [-5.96761703e-4, 4.99119423e-3, -2.67681349e-2, 1.12819925e-1, -3.76125336e-1, 1.28379166e-1]
/** erf(x) = 1 - exp(x p(x) - x) beyond. */
const erfFar = [
  -1.7285347e-5, 3.83197126e-4, -3.88396438e-3, 2.42546219e-2, -1.06777877e-1, -6.34846687e-1, -1.28717512e-1,
]

/** Computed of |x|, with the sign of x. */
export const erf: StackOp = (f) => {
  const x = popOne(f, 'v128', 'erf x')
  const [square, magnitude, near4] = ['square', 'magnitude', 'near4'].map((name) =>
    f.scratch('v128', `erf ${name}`),
  ) as [number, number, number]
  f.get(x)
  f.op('f32x4.abs')
  f.set(magnitude)
  f.get(x)
  f.get(x)
  f.op('f32x4.mul')
  f.set(square)
  polynomial(f, square, erfNear)
  f.get(x)
  f.op('f32x4.mul')
  f.get(x)
  f.op('f32x4.add')
  // Beyond 4 the result is 1, and the polynomial would grow again.
  f.get(magnitude)
  f.f32x4(4)
  f.op('f32x4.pmin')
  f.set(near4)
  f.f32x4(1)
  polynomial(f, near4, erfFar)
  f.get(near4)
  f.op('f32x4.mul')
  f.get(near4)
  f.op('f32x4.sub')
  exp(f)
  f.op('f32x4.sub')
  f.get(x)
  f.f32x4(-0)
  f.op('v128.and', 'v128.or')
  f.get(magnitude)
  f.f32x4(limit)
  f.op('f32x4.lt', 'v128.bitselect')
}
