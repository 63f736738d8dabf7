/** The exact remainder of floats, with the sign of the dividend (fmod of C). */
import type { Callee } from './encoder.ts'
import type { StackOp } from './stack-op.ts'

/** Step k subtracts a multiple of y 2^(20 k), starting with the largest k. Quotients of float32 numbers are below 2^277. */
const [stepBits, steps] = [20, 14]

/**
 * Computes in float64. Before step k, r is below y 2^(20 (k + 1)). So the quotient is below 2^20, and truncates to an integer that is not too large.
 * Its product with y and the difference are exact, because r and y have 24 bits.
 */
const helper: Callee = {
  kind: 'helper',
  name: 'remainder',
  signature: { params: ['f32', 'f32'], result: 'f32' },
  build: (f) => {
    const [x, y] = [0, 1]
    const [rest, divisor, scaled, left] = [f.local('f64'), f.local('f64'), f.local('f64'), f.local('i32')]
    f.get(x)
    f.op('f32.abs', 'f64.promote_f32')
    f.set(rest)
    f.get(y)
    f.op('f32.abs', 'f64.promote_f32')
    f.tee(divisor)
    f.f64(2 ** (stepBits * (steps - 1)))
    f.op('f64.mul')
    f.set(scaled)
    f.i32(steps)
    f.set(left)
    f.repeat(() => {
      f.get(rest)
      f.get(scaled)
      f.op('f64.ge')
      f.branch(() => {
        f.get(rest)
        f.get(rest)
        f.get(scaled)
        f.op('f64.div', 'f64.trunc')
        f.get(scaled)
        f.op('f64.mul', 'f64.sub')
        f.set(rest)
      }, null)
      f.get(scaled)
      f.f64(2 ** -stepBits)
      f.op('f64.mul')
      f.set(scaled)
      f.get(left)
      f.i32(1)
      f.op('i32.sub')
      f.tee(left)
    })
    f.get(rest)
    f.op('f32.demote_f64')
    f.get(x)
    f.op('f32.copysign')
    // NaN if y is NaN, since no comparison with NaN is true.
    f.get(y)
    f.get(y)
    f.get(y)
    f.op('f32.eq', 'select')
  },
}

export const remainder: StackOp = (f) => f.call(helper)
