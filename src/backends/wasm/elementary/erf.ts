/**
 * erf on float32 vectors, with an error of at most 2 ulp (test/backends/wasm/elementary.test.ts). Near 0 it is a polynomial, because 1 - exp(...)
 * would lose all digits there.
 */
import { polynomial, popOne, type StackOp } from '../stack-op.ts'
import { exp } from './exp.ts'

/** `erfNear` is used up to this |x|, `erfFar` above it. */
const limit = 0.927734375

/** erf(x) = x + x p(x^2). Both polynomials are by N. Juffa, 2015, with errors below 1 ulp. */
const erfNear = [-5.96761703e-4, 4.99119423e-3, -2.67681349e-2, 1.12819925e-1, -3.76125336e-1, 1.28379166e-1]
/** erf(x) = 1 - exp(x p(x) - x). */
const erfFar = [
  -1.7285347e-5, 3.83197126e-4, -3.88396438e-3, 2.42546219e-2, -1.06777877e-1, -6.34846687e-1, -1.28717512e-1,
]

/** Computes erf(|x|) and copies the sign of x. */
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
  // erf is 1 in float32 above 4; the polynomial is not valid there.
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
