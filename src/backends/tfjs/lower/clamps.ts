/**
 * relu and relu6 on wasm. XNNPACK's kernels are five times faster than a loop, but lose NaN: Relu loses NaN with the sign bit set, as processors
 * make it, Relu6 loses every NaN. So the kernel runs first. If the operand has a number that is not finite, a loop rewrites the result.
 */
import type { HostArray } from '../../backend.ts'
import type { Operand } from '../plan-types.ts'
import type { Planner } from '../planner.ts'
import { planFiniteTest } from './all-finite.ts'

type ClampLoop = (from: HostArray, to: HostArray) => void

const relu: ClampLoop = (from, to) => {
  const [x, y] = [bitsOf(from), bitsOf(to)]
  // As integers, the numbers below 0 end at the bits of -infinity; NaN is above them. There is no branch, because signs are hard to predict.
  for (let i = 0; i < y.length; i++) {
    const bits = x[i] as number
    y[i] = bits & ~((bits >> 31) & ((bits + 0x7fffff) >> 31))
  }
}

const relu6: ClampLoop = (from, to) => {
  for (let i = 0; i < to.length; i++) to[i] = Math.min(Math.max(from[i] as number, 0), 6)
}

const loops = { Relu: relu, Relu6: relu6 } as const

/** The clamp of a flat float operand. */
export const clamped = (kernel: keyof typeof loops, x: Operand, planner: Planner): number => {
  const { reads, test } = planFiniteTest(x, planner)
  const loop = loops[kernel]
  // Only the operand has to be read: it is small, or of a half type, so the loop is as fast as the check.
  if (reads.length === 1)
    return planner.host1(kernel, [x], x, ([from], [to]) => loop(from as HostArray, to as HostArray))
  const slot = planner.kernel(kernel, { x }, {}, x)
  planner.revise('finite', { ...x, slot }, reads, (to, arrays) => {
    if (!test(arrays)) loop(arrays[0] as HostArray, to)
  })
  return slot
}

const bitsOf = (data: HostArray): Int32Array => new Int32Array(data.buffer, data.byteOffset, data.length)
