/** Split reductions give the same values, and the same bits if no sum is rounded. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { kernelOf } from '../../../src/backends/codegen/kernel/from-graph.ts'
import { interpretKernel } from '../../../src/backends/codegen/kernel/interpret.ts'
import type { Kernel } from '../../../src/backends/codegen/kernel/kernel.ts'
import { printKernel } from '../../../src/backends/codegen/kernel/print.ts'
import { type SplitLimits, splitReductions } from '../../../src/backends/codegen/kernel/split-reduction.ts'
import { verifyKernelData } from '../../../src/backends/codegen/kernel/verify.ts'
import { parse } from '../../../src/ir/parse.ts'
import { operandsFor } from './operands.ts'

const always: SplitLimits = { resultsMax: 64, termsMin: 1, blocksMax: 4 }

const kernelOfText = (text: string): Kernel => kernelOf(parse(text)).kernel

const resultsOf = (kernel: Kernel, operands: ReadonlyMap<number, ArrayLike<number>>) =>
  kernel.buffers.flatMap(({ role }, at) => (role === 'result' ? [interpretKernel(kernel, operands)[at]] : []))

const reduction = (op: string, dtype: string, shape: readonly number[], axes: readonly number[]): string => {
  const left = shape.filter((_, at) => !axes.includes(at))
  return `graph g {
  %0 = input() {name="x"} : ${dtype}[${shape.join()}]
  %1 = ${op}(%0) {axes=[${axes.join(', ')}]} : ${dtype}[${left.join()}]
  return y = %1
}`
}

const anyReduction = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 4 }).chain((shape) =>
  fc.tuple(
    fc.constant(shape),
    fc.subarray(
      shape.map((_, at) => at),
      { minLength: 1 },
    ),
    fc.constantFrom(
      'reduceSum float32',
      'reduceMax float32',
      'reduceMin int32',
      'reduceSum int32',
      'reduceAll bool',
      'reduceAny bool',
    ),
  ),
)

test('any reduction', () => {
  let count = 0
  fc.assert(
    fc.property(anyReduction, fc.nat(50), ([shape, axes, kind], seed) => {
      const [op = '', dtype = ''] = kind.split(' ')
      const kernel = kernelOfText(reduction(op, dtype, shape, axes))
      const split = splitReductions(kernel, always)
      verifyKernelData(split)
      count += split.phases.length - kernel.phases.length
      const operands = operandsFor(kernel, seed)
      const [[want], [got]] = [resultsOf(kernel, operands), resultsOf(split, operands)]
      if (kind !== 'reduceSum float32') expect(got).toEqual(want)
      // Partial sums are rounded to float32: at most 4 blocks and 8 lanes.
      else want?.forEach((value, at) => expect(Math.abs((got?.[at] ?? 0) - value)).toBeLessThan(1e-4))
    }),
    { numRuns: 150 },
  )
  expect(count).toBeGreaterThan(50)
})

test('the mean of an image and its variance share their partial results; the epilogue stays', () => {
  const kernel = kernelOfText(`graph g {
  %0 = input() {name="x"} : float32[1,6,5,16]
  %1 = mul(%0, %0) : float32[1,6,5,16]
  %2 = reduceSum(%0) {axes=[1, 2]} : float32[1,16]
  %3 = reduceSum(%1) {axes=[1, 2]} : float32[1,16]
  %4 = sqrt(%3) : float32[1,16]
  return s = %2, q = %4
}`)
  const split = splitReductions(kernel, always)
  expect(printKernel(split)).toBe(`b0 operand float32[1,6,5,16]
b1 result float32[1,16]
b2 result float32[1,16]
b3 temporary float32[3,16]
b4 temporary float32[3,16]
phase [3, 16 | 2, 5]
  %0 = b0[0, 2*a0 + a2, a3, a1]
  %1 = mul(%0, %0)
  %2 = sum over a2, a3 of %0
  %3 = sum over a2, a3 of %1
  b3[a0, a1] = %2
  b4[a0, a1] = %3
phase [16 | 3]
  %0 = b3[a1, a0]
  %1 = b4[a1, a0]
  %2 = sum over a1 of %0
  %3 = sum over a1 of %1
  %4 = sqrt(%3)
  b1[0, a0] = %2
  b2[0, a0] = %4`)
})

test('the first phase keeps lanes separate: a sum over all elements is a sum over vectors', () => {
  const split = splitReductions(kernelOfText(reduction('reduceSum', 'float32', [4, 5, 16], [0, 1, 2])), always)
  expect(printKernel(split)).toBe(`b0 operand float32[4,5,16]
b1 result float32[]
b2 temporary float32[4,8]
phase [4, 8 | 5, 2]
  %0 = b0[a0, a2, a1 + 8*a3]
  %1 = sum over a2, a3 of %0
  b2[a0, a1] = %1
phase [ | 4, 8]
  %0 = b2[a0, a1]
  %1 = sum over a0, a1 of %0
  b1[] = %1`)
})

test('a length without a divisor is divided into blocks, and the last block is shorter', () => {
  const kernel = kernelOfText(reduction('reduceSum', 'int32', [31], [0]))
  const split = splitReductions(kernel, always)
  expect(split.phases[0]?.axes).toEqual([4, 8])
  const operands = operandsFor(kernel, 2)
  expect(resultsOf(split, operands)).toEqual(resultsOf(kernel, operands))
})

test.each([
  ['many results', reduction('reduceSum', 'float32', [65, 4], [1])],
  [
    'products of some tiles',
    `graph g {
  %0 = input() {name="x"} : float32[4,64]
  %1 = input() {name="w"} : float32[64,8]
  %2 = matmul(%0, %1) {} : float32[4,8]
  return y = %2
}`,
  ],
  ['an arg-max', 'graph g { %x = input() {name="x"} : float32[64] %y = argMax(%x) {axis=0} : int32[] return %y }'],
  ['a map', 'graph g { %x = input() {name="x"} : float32[64] %y = neg(%x) : float32[64] return %y }'],
])('%s are not split', (_, text) => {
  const kernel = kernelOfText(text)
  expect(splitReductions(kernel, always)).toBe(kernel)
})

test('only long reductions are split', () => {
  const of = (rows: number): Kernel => kernelOfText(reduction('reduceSum', 'float32', [rows, rows, 32], [0, 1]))
  expect(splitReductions(of(14)).phases).toHaveLength(1)
  expect(splitReductions(of(112)).phases).toHaveLength(2)
})

test.each([
  [4096, 2],
  [4097, 1],
])('a reduction of 4096 elements with the limit %i has %i phases', (termsMin, phases) => {
  const kernel = kernelOfText(reduction('reduceSum', 'float32', [64, 64], [0, 1]))
  expect(splitReductions(kernel, { resultsMax: 512, termsMin, blocksMax: 32 }).phases).toHaveLength(phases)
})
