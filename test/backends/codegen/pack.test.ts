/** Packed operands give the same bits, and only right operands of contractions are packed. */
import { expect, test } from 'vitest'
import { kernelOf } from '../../../src/backends/codegen/kernel/from-graph.ts'
import { interpretKernel } from '../../../src/backends/codegen/kernel/interpret.ts'
import type { Kernel } from '../../../src/backends/codegen/kernel/kernel.ts'
import { packOperands } from '../../../src/backends/codegen/kernel/pack.ts'
import { printKernel } from '../../../src/backends/codegen/kernel/print.ts'
import { splitAxis } from '../../../src/backends/codegen/kernel/split-axis.ts'
import { verifyKernelData } from '../../../src/backends/codegen/kernel/verify.ts'
import { parse } from '../../../src/ir/parse.ts'
import { elements } from '../../../src/ir/types.ts'
import { operandsFor } from './operands.ts'

const kernelOfText = (text: string): Kernel => kernelOf(parse(text)).kernel

const resultsOf = (kernel: Kernel, operands: ReadonlyMap<number, ArrayLike<number>>) =>
  interpretKernel(kernel, operands).filter((_, at) => kernel.buffers[at]?.role === 'result')

/** Packs all possible operands, and compares the results of both kernels. */
const check = (text: string) => {
  const kernel = kernelOfText(text)
  const made = packOperands(kernel, () => true)
  verifyKernelData(made.kernel)
  const operands = new Map(operandsFor(kernel, 1))
  const want = resultsOf(kernel, operands)
  for (const { buffer, pack } of made.packed) {
    verifyKernelData(pack)
    const [, panels] = interpretKernel(pack, new Map([[0, operands.get(buffer) ?? []]]))
    operands.set(buffer, panels as Float64Array)
  }
  expect(resultsOf(made.kernel, operands)).toEqual(want)
  return made
}

const convolution = (taps: string, image: string, channels: number): string => `graph g {
  %0 = input() {name="x"} : float32[${image},4]
  %1 = input() {name="gate"} : float32[1,4]
  %2 = variable() {name="kernel"} : float32[${taps},4,${channels}]
  %3 = variable() {name="bias"} : float32[${channels}]
  %4 = broadcast(%1) {axes=[0, 3], shape=[${image.replaceAll(',', ', ')}, 4]} : float32[${image},4]
  %5 = mul(%0, %4) : float32[${image},4]
  %6 = conv2d(%5, %2) {} : float32[${image},${channels}]
  %7 = broadcast(%3) {axes=[3], shape=[${image.replaceAll(',', ', ')}, ${channels}]} : float32[${image},${channels}]
  %8 = add(%6, %7) : float32[${image},${channels}]
  %9 = sigmoid(%8) : float32[${image},${channels}]
  %10 = mul(%8, %9) : float32[${image},${channels}]
  return y = %10
}`

test.each([
  ['1,1', '1,3,5', [2, 4, 8]],
  ['3,3', '1,4,3', [2, 3, 3, 4, 8]],
])('a convolution of %s with a prologue and an epilogue', (taps, image, shape) => {
  const { packed } = check(convolution(taps, image, 16))
  expect(packed.map(({ shape: panels }) => panels)).toEqual([shape])
})

test.each([
  ['[16,5]', 'true'],
  ['[5,16]', 'false'],
])('a matrix product with %s, transposed: %s', (shape, isTransposed) => {
  const text = `graph g {
  %0 = input() {name="x"} : float32[3,5]
  %1 = variable() {name="w"} : float32${shape}
  %2 = variable() {name="b"} : float32[16]
  %3 = neg(%0) : float32[3,5]
  %4 = matmul(%3, %1) {transposeA=false, transposeB=${isTransposed}} : float32[3,16]
  %5 = broadcast(%2) {axes=[1], shape=[3, 16]} : float32[3,16]
  %6 = add(%4, %5) : float32[3,16]
  return y = %6
}`
  const { packed } = check(text)
  expect(packed.map(({ buffer, shape: panels }) => [buffer, panels])).toEqual([[1, [2, 5, 8]]])
})

test('the weights of an input gradient are packed with exchanged axes', () => {
  const { packed } = check(`graph g {
  %0 = input() {name="dy"} : float32[1,3,3,5]
  %1 = variable() {name="kernel"} : float32[1,1,8,5]
  %2 = conv2dInputGradient(%0, %1) {inputShape=[1, 3, 3, 8]} : float32[1,3,3,8]
  return y = %2
}`)
  expect(packed.map(({ form }) => form)).toEqual(['panels [1,5,8] of 0 of 1, 0 of 1, 8*a0 + a2 of 8, a1 of 5'])
})

test('a packed convolution as text', () => {
  const { kernel, packed } = check(`graph g {
  %0 = input() {name="x"} : float32[1,2,2,3]
  %1 = variable() {name="kernel"} : float32[1,1,3,16]
  %2 = conv2d(%0, %1) {} : float32[1,2,2,16]
  return y = %2
}`)
  expect(printKernel(kernel)).toBe(`b0 operand float32[1,2,2,3]
b1 operand float32[2,3,8]
b2 result float32[1,2,2,16]
phase [2, 2, 2, 8 | 3]
  %0 = b0[0, a0, a1, a4]
  %1 = b1[a2, a4, a3]
  %2 = sum over a4 of %0 * %1
  b2[0, a0, a1, 8*a2 + a3] = %2`)
  expect(packed.map(({ pack }) => printKernel(pack))).toEqual([
    `b0 operand float32[1,1,3,16]
b1 result float32[2,3,8]
phase [2, 3, 8]
  %0 = b0[0, 0, a1, 8*a0 + a2]
  b1[a0, a1, a2] = %0`,
  ])
})

const product = (columns: number, more: string): string => `graph g {
  %0 = input() {name="x"} : float32[4,8]
  %1 = variable() {name="w"} : float32[8,${columns}]
  %2 = matmul(%0, %1) {} : float32[4,${columns}]
${more}
}`

test.each([
  ['columns that are no multiple of 8', product(12, '  return y = %2')],
  [
    'weights that something else reads, too',
    product(8, '  %3 = reduceSum(%1) {axes=[0, 1]} : float32[]\n  return y = %2, z = %3'),
  ],
  [
    'a depthwise convolution',
    `graph g {
  %0 = input() {name="x"} : float32[1,3,3,8]
  %1 = variable() {name="kernel"} : float32[3,3,8,1]
  %2 = depthwiseConv2d(%0, %1) {} : float32[1,3,3,8]
  return y = %2
}`,
  ],
  [
    'a product of two batches of matrices',
    `graph g {
  %0 = input() {name="a"} : float32[2,3,4]
  %1 = input() {name="b"} : float32[2,4,8]
  %2 = matmul(%0, %1) {} : float32[2,3,8]
  return y = %2
}`,
  ],
  ['a sum', 'graph g { %x = input() {name="x"} : float32[4,8] %y = reduceSum(%x) {axes=[0]} : float32[8] return %y }'],
  ['a map', 'graph g { %x = input() {name="x"} : float32[8] %y = neg(%x) : float32[8] return %y }'],
])('does not change %s', (_, text) => {
  const kernel = kernelOfText(text)
  expect(packOperands(kernel, () => true)).toEqual({ kernel, packed: [] })
})

test('does not pack an operand that mayPack excludes', () => {
  const kernel = kernelOfText(product(8, '  return y = %2'))
  expect(packOperands(kernel, (buffer) => buffer !== 1).kernel).toBe(kernel)
  expect(packOperands(kernel, (buffer) => buffer === 1).packed).toHaveLength(1)
})

test.each([
  [0, 2],
  [1, 3],
  [2, 2],
])('splits axis %i by %i', (axis, inner) => {
  const kernel = kernelOfText(`graph g {
  %0 = input() {name="a"} : float32[4,8]
  %1 = input() {name="b"} : float32[8,6]
  %2 = matmul(%0, %1) {} : float32[4,6]
  return y = %2
}`)
  const [phase] = kernel.phases
  const split: Kernel = { ...kernel, phases: phase === undefined ? [] : [splitAxis(phase, axis, inner)] }
  verifyKernelData(split)
  expect(split.phases[0]?.axes).toHaveLength(4)
  expect(elements(split.phases[0]?.axes ?? [])).toBe(4 * 6 * 8)
  const operands = operandsFor(kernel, 3)
  expect(resultsOf(split, operands)).toEqual(resultsOf(kernel, operands))
})

test('a right operand whose rows are selected by numbers is not packed', () => {
  const { packed } = check(`graph g {
  %0 = input() {name="a"} : float32[4,8]
  %1 = input() {name="b"} : float32[8,16]
  %2 = input() {name="rows"} : int32[8]
  %3 = gather(%1, %2) {axis=0} : float32[8,16]
  %4 = matmul(%0, %3) {} : float32[4,16]
  return y = %4
}`)
  expect(packed).toEqual([])
})
