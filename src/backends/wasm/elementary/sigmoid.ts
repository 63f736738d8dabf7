/**
 * sigmoid and tanh on float32 vectors. sigmoid is most of the cost of silu; it has 15 operations. With n + r = -x / ln 2, where n is an integer and
 * |r| <= 1/2,
 *
 *     exp(-x) = 2^n 2^r   and   2^r = (a + r) / (a - r)   with   a = r / tanh(r ln 2 / 2)
 *     sigmoid(x) = 1 / (1 + exp(-x)) = (a - r) / (a - r + 2^n (a + r))
 *
 * so one division computes both quotients. Similarly, with n + r = 2 x / ln 2,
 *
 *     tanh(x) = ((2^n - 1) a + (2^n + 1) r) / ((2^n + 1) a + (2^n - 1) r)
 *
 * Near 0, n is 0 and this is r / a, so no digits are lost.
 *
 * a is an even function of r. Two coefficients give 2^r with a relative error of 4.3e-7, three with 3e-10. -x / ln 2 is rounded once, which adds a
 * relative error of |x| 2^-24 where the result is small.
 */
import type { FunctionBody } from '../encoder.ts'
import { polynomial, popOne, type StackOp, withSign } from '../stack-op.ts'
import { clamp, magic } from './exp.ts'

/** The coefficients of a by powers of r^2, highest power first: minimax fits. */
const short = [0.1152360652, 2.885408124]
const long = [-9.204537877e-4, 0.1155239535, 2.8853901]

interface Reduced {
  readonly r: number
  /** 2^n. */
  readonly power: number
  readonly a: number
}

/** Takes n + r from the stack, from -127 to 128. At the ends of the range, the exponent bits of 2^n represent 0 and infinity. */
const reduced = (f: FunctionBody, coefficients: readonly number[]): Reduced => {
  const r = popOne(f, 'v128', 'binary r')
  const [power, square, a] = ['power', 'square', 'a'].map((name) => f.scratch('v128', `binary ${name}`)) as [
    number,
    number,
    number,
  ]
  // Rounding by the magic number leaves n + 127 in the low bits, which is the biased exponent of 2^n.
  f.get(r)
  f.get(r)
  f.f32x4(magic + 127)
  f.op('f32x4.add')
  f.tee(power)
  f.f32x4(magic + 127)
  f.op('f32x4.sub', 'f32x4.sub')
  f.set(r)
  f.get(power)
  f.i32(23)
  f.op('i32x4.shl')
  f.set(power)
  f.get(r)
  f.get(r)
  f.op('f32x4.mul')
  f.set(square)
  polynomial(f, square, coefficients)
  f.set(a)
  return { r, power, a }
}

/** Relative error below (8 + |x|) 2^-23 for x >= -87. 0 where exp(-x) (a + r) overflows: for x <= -87.7. NaN gives NaN. */
export const sigmoid: StackOp = (f) => {
  f.f32x4(-Math.LOG2E)
  f.op('f32x4.mul')
  clamp(f, -127, 128)
  const { r, power, a } = reduced(f, short)
  const numerator = f.scratch('v128', 'sigmoid numerator')
  f.get(a)
  f.get(r)
  f.op('f32x4.sub')
  f.tee(numerator)
  f.get(a)
  f.get(r)
  f.op('f32x4.add')
  f.get(power)
  f.multiplyAdd(() => f.get(numerator))
  f.op('f32x4.div')
}

/** Error at most 5 ulp. For n >= 25, 2^n - 1 equals 2^n + 1 in float32, and the result is 1. */
export const tanh: StackOp = withSign((f) => {
  f.f32x4(2 * Math.LOG2E)
  f.op('f32x4.mul')
  clamp(f, -30, 30)
  const { r, power, a } = reduced(f, long)
  const [less, more] = [f.scratch('v128', 'tanh less'), f.scratch('v128', 'tanh more')]
  f.get(power)
  f.f32x4(1)
  f.op('f32x4.sub')
  f.set(less)
  f.get(power)
  f.f32x4(1)
  f.op('f32x4.add')
  f.set(more)
  for (const [ofA, ofR] of [
    [less, more],
    [more, less],
  ] as const) {
    f.get(ofA)
    f.get(a)
    f.multiplyAdd(() => {
      f.get(ofR)
      f.get(r)
      f.op('f32x4.mul')
    })
  }
  f.op('f32x4.div')
})
