/**
 * log, log1p and softplus on float32 vectors. Argument reduction: x = 2^n m, with m in [2/3, 4/3]; log(x) = n ln 2 + log1p(m - 1). The coefficients
 * are a minimax fit. Errors against float64 (test/backends/wasm/elementary.test.ts): log at most 2 ulp, log1p and softplus at most 4 ulp.
 */
import { polynomial, popOne, type StackOp } from '../stack-op.ts'
import { exp } from './exp.ts'

/** log1p(t) = t - t^2 / 2 + t^3 q(t) for |t| <= 1/3. Relative error: 5e-9. Highest power first. */
const coefficients = [
  -0.1289168506, 0.1398443761, -0.1218426105, 0.1400586879, -0.1668048734, 0.2001040594, -0.2499979767, 0.3333321598,
]

/** The bits of 2/3. */
const lowest = 0x3f2aaaab
const [leastNormal, twoTo23] = [2 ** -126, 2 ** 23]

/** NaN for negative numbers, -infinity for both zeros. */
export const log: StackOp = (f) => {
  const x = popOne(f, 'v128', 'log x')
  const [m, n, square, isSmall] = ['m', 'n', 'square', 'small'].map((name) => f.scratch('v128', `log ${name}`)) as [
    number,
    number,
    number,
    number,
  ]
  // Subnormal numbers are scaled up.
  f.get(x)
  f.f32x4(leastNormal)
  f.op('f32x4.lt')
  f.set(isSmall)
  f.get(x)
  f.f32x4(twoTo23)
  f.op('f32x4.mul')
  f.get(x)
  f.get(isSmall)
  f.op('v128.bitselect')
  f.set(m)
  f.get(m)
  f.i32x4(lowest)
  f.op('i32x4.sub')
  f.i32(23)
  f.op('i32x4.shr_s')
  f.set(n)
  f.get(m)
  f.get(n)
  f.i32(23)
  f.op('i32x4.shl', 'i32x4.sub')
  f.f32x4(1)
  f.op('f32x4.sub')
  f.set(m)
  f.get(n)
  f.op('f32x4.convert_i32x4_s')
  f.get(isSmall)
  f.f32x4(23)
  f.op('v128.and', 'f32x4.sub')
  f.set(n)
  f.get(m)
  f.get(m)
  f.op('f32x4.mul')
  f.set(square)
  // Small parts are added first.
  f.get(n)
  f.f32x4(-2.1219444e-4)
  f.op('f32x4.mul')
  polynomial(f, m, coefficients)
  f.get(m)
  f.op('f32x4.mul')
  f.f32x4(-0.5)
  f.op('f32x4.add')
  f.get(square)
  f.op('f32x4.mul', 'f32x4.add')
  f.get(m)
  f.op('f32x4.add')
  f.get(n)
  f.f32x4(0.693359375)
  f.op('f32x4.mul', 'f32x4.add')
  // Infinity and NaN give themselves, 0 gives -infinity, negative numbers give NaN.
  f.get(x)
  f.get(x)
  f.f32x4(Infinity)
  f.op('f32x4.lt', 'v128.bitselect')
  f.f32x4(-Infinity)
  f.get(x)
  f.f32x4(0)
  f.op('f32x4.ne', 'v128.bitselect')
  f.f32x4(Number.NaN)
  f.get(x)
  f.f32x4(0)
  f.op('f32x4.lt', 'v128.not', 'v128.bitselect')
}

/** With u = 1 + x, rounded: log1p(x) = log(u) x / (u - 1), which compensates the rounding (Goldberg 1991, theorem 4). Where u is 1 it is x. */
export const log1p: StackOp = (f) => {
  const x = popOne(f, 'v128', 'log1p x')
  const [u, logarithm] = [f.scratch('v128', 'log1p u'), f.scratch('v128', 'log1p log')]
  f.get(x)
  f.f32x4(1)
  f.op('f32x4.add')
  f.tee(u)
  log(f)
  f.tee(logarithm)
  f.get(x)
  f.get(u)
  f.f32x4(1)
  f.op('f32x4.sub', 'f32x4.div', 'f32x4.mul')
  f.get(logarithm)
  f.get(u)
  f.f32x4(Infinity)
  f.op('f32x4.lt', 'v128.bitselect')
  f.get(x)
  f.get(u)
  f.f32x4(1)
  f.op('f32x4.ne', 'v128.bitselect')
}

/** max(x, 0) + log1p(exp(-|x|)). */
export const softplus: StackOp = (f) => {
  const x = popOne(f, 'v128', 'softplus x')
  f.get(x)
  f.f32x4(0)
  f.op('f32x4.pmax')
  f.get(x)
  f.op('f32x4.abs', 'f32x4.neg')
  exp(f)
  log1p(f)
  f.op('f32x4.add')
}
