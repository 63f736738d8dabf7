/**
 * sigmoid on vectors of float32, which is most of the cost of silu: 15 operations. With n + r = -x / ln 2, n whole and |r| <= 1/2,
 *
 *   exp(-x) = 2^n 2^r   and   2^r = (a + r) / (a - r)   with   a = r / tanh(r ln 2 / 2)
 *   sigmoid(x) = 1 / (1 + exp(-x)) = (a - r) / (a - r + 2^n (a + r))
 *
 * with one division for both quotients. a is even in r; two coefficients give 2^r with a relative error of 4.3e-7. -x / ln 2 is rounded once,
 * which costs |x| 2^-24 of relative error where the result is small.
 */
import { popOne, type StackOp } from '../stack-op.ts'
import { clamp, magic } from './exp.ts'

/** a = 2.885 + 0.1152 r^2, a minimax fit. */
const [constant, square] = [2.885408124, 0.1152360652]

/** Relative error below (8 + |x|) 2^-23 down to x = -87; 0 where exp(-x) (a + r) overflows, from -87.7 down. NaN stays NaN. */
export const sigmoid: StackOp = (f) => {
  f.f32x4(-Math.LOG2E)
  f.op('f32x4.mul')
  // At the ends 2^n is infinity and 0: so are the exponents of float32.
  clamp(f, -127, 128)
  const r = popOne(f, 'v128', 'sigmoid r')
  const [power, a, numerator] = ['power', 'a', 'numerator'].map((name) => f.scratch('v128', `sigmoid ${name}`)) as [
    number,
    number,
    number,
  ]
  // Rounding by the magic number leaves n + 127 in the low bits: the exponent of 2^n.
  f.get(r)
  f.get(r)
  f.f32x4(magic + 127)
  f.op('f32x4.add')
  f.tee(power)
  f.f32x4(magic + 127)
  f.op('f32x4.sub', 'f32x4.sub')
  f.set(r)
  f.get(r)
  f.get(r)
  f.op('f32x4.mul')
  f.f32x4(square)
  f.op('f32x4.mul')
  f.f32x4(constant)
  f.op('f32x4.add')
  f.set(a)
  f.get(a)
  f.get(r)
  f.op('f32x4.sub')
  f.tee(numerator)
  f.get(numerator)
  f.get(a)
  f.get(r)
  f.op('f32x4.add')
  f.get(power)
  f.i32(23)
  f.op('i32x4.shl', 'f32x4.mul', 'f32x4.add', 'f32x4.div')
}
