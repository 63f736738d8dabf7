/**
 * tanh and erf on vectors of float32: odd functions, so both are computed of |x| and get the sign of x. Near 0 a polynomial, where 1 - exp(...) would
 * lose all digits. Errors against float64 (test/backends/wasm/elementary.test.ts): tanh within 3 units of the last place, erf within 2.
 */
import type { FunctionBody } from '../encoder.ts'
import { polynomial, popOne, type StackOp } from '../stack-op.ts'
import { exp } from './exp.ts'

/** tanh(x) = x + x^3 q(x^2) up to 0.625; relative error 2e-10. Highest power first. */
const tanhNear = [2.14368186e-3, -8.178242404e-3, 2.170107305e-2, -5.394683708e-2, 0.1333320666, -0.3333333082]

/** erf(x) = x + x p(x^2) up to 0.9277 (both polynomials by N. Juffa, 2015, below one unit of the last place). */
const erfNear = [-5.96761703e-4, 4.99119423e-3, -2.67681349e-2, 1.12819925e-1, -3.76125336e-1, 1.28379166e-1]
/** erf(x) = 1 - exp(x p(x) - x) beyond. */
const erfFar = [
  -1.7285347e-5, 3.83197126e-4, -3.88396438e-3, 2.42546219e-2, -1.06777877e-1, -6.34846687e-1, -1.28717512e-1,
]

/** `near` and `far` put their results on the stack; that of `far` is of |x| in the local `magnitude`, and gets the sign of x. */
const odd = (
  f: FunctionBody,
  { limit, near, far }: { limit: number; near: (x: number, square: number) => void; far: (magnitude: number) => void },
): void => {
  const x = popOne(f, 'v128', 'odd x')
  const [square, magnitude] = [f.scratch('v128', 'odd square'), f.scratch('v128', 'odd magnitude')]
  f.get(x)
  f.op('f32x4.abs')
  f.set(magnitude)
  f.get(x)
  f.get(x)
  f.op('f32x4.mul')
  f.set(square)
  near(x, square)
  far(magnitude)
  f.get(x)
  f.f32x4(-0)
  f.op('v128.and', 'v128.or')
  f.get(magnitude)
  f.f32x4(limit)
  f.op('f32x4.lt', 'v128.bitselect')
}

/** 1 - 2 / (exp(2 |x|) + 1). */
export const tanh: StackOp = (f) => {
  odd(f, {
    limit: 0.625,
    near: (x, square) => {
      polynomial(f, square, tanhNear)
      f.get(square)
      f.op('f32x4.mul')
      f.get(x)
      f.op('f32x4.mul')
      f.get(x)
      f.op('f32x4.add')
    },
    far: (magnitude) => {
      f.f32x4(1)
      f.f32x4(2)
      f.get(magnitude)
      f.get(magnitude)
      f.op('f32x4.add')
      exp(f)
      f.f32x4(1)
      f.op('f32x4.add', 'f32x4.div', 'f32x4.sub')
    },
  })
}

export const erf: StackOp = (f) => {
  odd(f, {
    limit: 0.927734375,
    near: (x, square) => {
      polynomial(f, square, erfNear)
      f.get(x)
      f.op('f32x4.mul')
      f.get(x)
      f.op('f32x4.add')
    },
    far: (magnitude) => {
      // Beyond 4 the result is 1, and the polynomial would grow again.
      const near4 = f.scratch('v128', 'erf magnitude')
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
    },
  })
}
