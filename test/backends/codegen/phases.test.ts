/** Which values of a region are stored, which values share a phase, and that no value is computed too often. */
import { describe, expect, test } from 'vitest'
import { kernelOf } from '../../../src/backends/codegen/kernel/from-graph.ts'
import { interpretKernel } from '../../../src/backends/codegen/kernel/interpret.ts'
import type { Kernel, Phase } from '../../../src/backends/codegen/kernel/kernel.ts'
import { verifyKernelData } from '../../../src/backends/codegen/kernel/verify.ts'
import { interpret } from '../../../src/ir/interpret.ts'
import { parse } from '../../../src/ir/parse.ts'
import type { Graph } from '../../../src/ir/types.ts'
import { feedsFor } from '../../../src/testing/index.ts'

/** The kernel of a body. It has been checked to give the results of the body. */
const checked = (body: string): Kernel => {
  const g = parse(`graph g {\n${body}\n}`)
  const { kernel, operands, results } = kernelOf(g)
  verifyKernelData(kernel)
  const { inputs, variables } = feedsFor(g, 5)
  const memory = interpretKernel(kernel, givenTo(g, operands, { inputs, variables }))
  const { outputs } = interpret(g, { inputs, variables, mode: 'declared' })
  for (const [i, { name }] of g.outputs.entries()) {
    const got = memory[results[i] as number] as Float64Array
    outputs[name]?.data.forEach((want, at) => expect(got[at]).toBeCloseTo(want, 4))
  }
  return kernel
}

const givenTo = (
  g: Graph,
  operands: ReadonlyMap<number, number>,
  { inputs, variables }: ReturnType<typeof feedsFor>,
): ReadonlyMap<number, Float64Array> =>
  new Map(
    [...operands].flatMap(([id, buffer]) => {
      const node = g.nodes[id]
      const data =
        node?.op === 'input'
          ? inputs[node.attrs.name]
          : node?.op === 'variable'
            ? variables.get(node.attrs.name)
            : undefined
      return data === undefined ? [] : [[buffer, data] as const]
    }),
  )

const opsOf = ({ exprs, accumulators }: Phase): readonly string[] =>
  exprs.flatMap((expr) =>
    expr.kind === 'op' ? [expr.op] : expr.kind === 'accumulated' ? [accumulators[expr.accumulator]?.monoid ?? ''] : [],
  )

/** What each phase computes, and the roles of the buffers that it writes. */
const summaryOf = ({ buffers, phases }: Kernel): readonly string[] =>
  phases.map((phase) => {
    const roles = phase.stores.map(({ buffer }) => buffers[buffer]?.role)
    return `${opsOf(phase).join(' ')} -> ${roles.join(' ')}`
  })

const image = 'float32[1,6,6,16]'
const silu = (x: string, s: string, y: string, type: string): string =>
  `${s} = sigmoid(${x}) : ${type}\n${y} = mul(${x}, ${s}) : ${type}`

describe('the regions of a block of EfficientNet', () => {
  test('depthwise convolution, bias and silu in one phase; the mean reads the result', () => {
    const kernel = checked(`%x = input() {name="x"} : ${image}
%k = variable() {name="k"} : float32[3,3,16,1]
%b = variable() {name="b"} : float32[16]
%c = depthwiseConv2d(%x, %k) {} : ${image}
%bb = broadcast(%b) {axes=[3], shape=[1, 6, 6, 16]} : ${image}
%a = add(%c, %bb) : ${image}
${silu('%a', '%s', '%y', image)}
%t = reduceSum(%y) {axes=[1, 2]} : float32[1,16]
%n = constant() {value=0.0277} : float32[1,16]
%m = mul(%t, %n) : float32[1,16]
return y = %y, m = %m`)
    expect(summaryOf(kernel)).toEqual(['sum add sigmoid mul -> result', 'sum mul -> result'])
    const [y] = kernel.phases[0]?.stores ?? []
    expect(kernel.phases[1]?.exprs.flatMap((expr) => (expr.kind === 'load' ? [expr.buffer] : []))).toEqual([y?.buffer])
  })

  test('squeeze and excite: a phase for each sum, with its epilogue', () => {
    const kernel = checked(`%x = input() {name="x"} : float32[1,6,6,64]
%k1 = variable() {name="k1"} : float32[1,1,64,4]
%k2 = variable() {name="k2"} : float32[1,1,4,64]
%t = reduceSum(%x) {axes=[1, 2], keepDims=true} : float32[1,1,1,64]
%n = constant() {value=0.0277} : float32[1,1,1,64]
%m = mul(%t, %n) : float32[1,1,1,64]
%c = conv2d(%m, %k1) {} : float32[1,1,1,4]
${silu('%c', '%s', '%h', 'float32[1,1,1,4]')}
%d = conv2d(%h, %k2) {} : float32[1,1,1,64]
%y = sigmoid(%d) : float32[1,1,1,64]
return y = %y`)
    expect(summaryOf(kernel)).toEqual(['sum mul -> temporary', 'sum sigmoid mul -> temporary', 'sum sigmoid -> result'])
  })

  const project = (channels: number): string => `%x = input() {name="x"} : float32[1,14,14,32]
%g = input() {name="g"} : float32[1,32]
%r = input() {name="r"} : float32[1,14,14,${channels}]
%k = variable() {name="k"} : float32[1,1,32,${channels}]
%gg = broadcast(%g) {axes=[0, 3], shape=[1, 14, 14, 32]} : float32[1,14,14,32]
%e = mul(%x, %gg) : float32[1,14,14,32]
%c = conv2d(%e, %k) {} : float32[1,14,14,${channels}]
%y = add(%c, %r) : float32[1,14,14,${channels}]
return y = %y`

  test('a gate before a 1x1 convolution is applied in its phase, where rows are staged', () => {
    for (const channels of [24, 8]) expect(summaryOf(checked(project(channels)))).toEqual(['mul sum add -> result'])
  })
  test('a convolution, its activation, their mean and a dense layer', () => {
    const kernel = checked(`%x = input() {name="x"} : float32[1,6,6,8]
%k = variable() {name="k"} : float32[1,1,8,16]
%w = variable() {name="w"} : float32[16,10]
%c = conv2d(%x, %k) {} : ${image}
${silu('%c', '%s', '%h', image)}
%t = reduceSum(%h) {axes=[1, 2]} : float32[1,16]
%y = matmul(%t, %w) {} : float32[1,10]
return y = %y`)
    expect(summaryOf(kernel)).toEqual(['sum sigmoid mul -> temporary', 'sum -> temporary', 'sum -> result'])
  })
})

describe('values that several phases would recompute', () => {
  test('an exponential before a window is stored; a cheap op before a sum is recomputed', () => {
    const kernel = checked(`%x = input() {name="x"} : float32[1,12,12,16]
%k = variable() {name="k"} : float32[3,3,16,1]
${silu('%x', '%s', '%h', 'float32[1,12,12,16]')}
%y = depthwiseConv2d(%h, %k) {} : float32[1,12,12,16]
return y = %y`)
    expect(summaryOf(kernel)).toEqual(['sigmoid mul -> temporary', 'sum -> result'])
    const sum = checked(`%x = input() {name="x"} : float32[8,16]
%e = mul(%x, %x) : float32[8,16]
%y = reduceSum(%e) {axes=[1]} : float32[8]
return y = %y`)
    expect(summaryOf(sum)).toEqual(['mul sum -> result'])
  })

  test('a square root for each channel is not computed for each pixel', () => {
    const kernel = checked(`%x = input() {name="x"} : float32[1,16,16,16]
%v = input() {name="v"} : float32[16]
%a = abs(%v) : float32[16]
%r = rsqrt(%a) : float32[16]
%b = broadcast(%r) {axes=[3], shape=[1, 16, 16, 16]} : float32[1,16,16,16]
%y = mul(%x, %b) : float32[1,16,16,16]
return y = %y`)
    expect(summaryOf(kernel)).toEqual(['abs rsqrt -> temporary', 'mul -> result'])
  })

  test('each of two added convolutions has its own phase', () => {
    const kernel = checked(`%x = input() {name="x"} : float32[1,6,6,4]
%a = variable() {name="a"} : float32[1,1,4,16]
%b = variable() {name="b"} : float32[3,3,4,16]
%c = conv2d(%x, %a) {} : ${image}
%d = conv2d(%x, %b) {} : ${image}
%e = add(%c, %d) : ${image}
%y = relu(%e) : ${image}
return y = %y`)
    expect(summaryOf(kernel)).toEqual(['sum -> temporary', 'sum add relu -> result'])
  })

  test('a convolution added to its transpose is computed once', () => {
    const kernel = checked(`%x = input() {name="x"} : float32[6,4]
%w = variable() {name="w"} : float32[4,6]
%c = matmul(%x, %w) {} : float32[6,6]
%t = transpose(%c) {permutation=[1, 0]} : float32[6,6]
%y = add(%c, %t) : float32[6,6]
return y = %y`)
    expect(summaryOf(kernel)).toEqual(['sum -> temporary', 'add -> result'])
  })
})

describe('several results', () => {
  test('of one shape share a phase if one is computed from the other', () => {
    const kernel = checked(`%x = input() {name="x"} : ${image}
%k = variable() {name="k"} : float32[3,3,16,1]
%c = depthwiseConv2d(%x, %k) {} : ${image}
${silu('%c', '%s', '%y', image)}
return c = %c, y = %y, again = %y`)
    expect(summaryOf(kernel)).toEqual(['sum sigmoid mul -> result result result'])
  })

  test('share a phase if they read the same elements, otherwise not', () => {
    const of = (second: string): Kernel =>
      checked(`%x = input() {name="x"} : ${image}
%z = input() {name="z"} : ${image}
%a = neg(%x) : ${image}
%b = abs(${second}) : ${image}
return a = %a, b = %b`)
    expect(summaryOf(of('%x'))).toEqual(['neg abs -> result result'])
    expect(summaryOf(of('%z'))).toEqual(['neg -> result', 'abs -> result'])
  })

  test('two moments are one loop over the image', () => {
    const kernel = checked(`%x = input() {name="x"} : ${image}
%q = mul(%x, %x) : ${image}
%s = reduceSum(%x) {axes=[0, 1, 2]} : float32[16]
%t = reduceSum(%q) {axes=[0, 1, 2]} : float32[16]
return s = %s, t = %t`)
    expect(summaryOf(kernel)).toEqual(['sum mul sum -> result result'])
    expect(kernel.phases[0]?.axes).toEqual([16, 6, 6])
  })

  test('a result that is normalized by its own maximum is stored first', () => {
    const kernel = checked(`%x = input() {name="x"} : float32[4,8]
%e = neg(%x) : float32[4,8]
%m = reduceMax(%e) {axes=[1], keepDims=true} : float32[4,1]
%b = broadcast(%m) {axes=[0, 1], shape=[4, 8]} : float32[4,8]
%y = sub(%e, %b) : float32[4,8]
return e = %e, y = %y`)
    expect(summaryOf(kernel)).toEqual(['neg -> result', 'max -> temporary', 'sub -> result'])
  })
})

describe('reshapes', () => {
  test.each([
    ['dimensions that merge', '[2,3,4]', '[6,4]', 1],
    ['a dimension that divides', '[6,4]', '[2,3,4]', 1],
    ['both at once', '[2,6,4]', '[4,3,2,2]', 1],
    ['sizes that do not divide each other', '[4,3]', '[3,4]', 2],
  ])('%s', (_, from, to, phases) => {
    const kernel = checked(`%x = input() {name="x"} : float32${from}
%a = neg(%x) : float32${from}
%r = reshape(%a) {shape=${to.replaceAll(',', ', ')}} : float32${to}
%y = abs(%r) : float32${to}
return y = %y`)
    expect(kernel.phases).toHaveLength(phases)
  })

  test('a convolution between reshapes and a transposition is one phase', () => {
    const kernel = checked(`%x = input() {name="x"} : float32[2,36,8]
%k = variable() {name="k"} : float32[3,3,8,1]
%r = reshape(%x) {shape=[2, 6, 6, 8]} : float32[2,6,6,8]
%c = depthwiseConv2d(%r, %k) {} : float32[2,6,6,8]
%s = reshape(%c) {shape=[2, 36, 8]} : float32[2,36,8]
%y = transpose(%s) {permutation=[0, 2, 1]} : float32[2,8,36]
return y = %y`)
    expect(summaryOf(kernel)).toEqual(['sum -> result'])
  })

  test('pixels that are shuffled into place', () => {
    const kernel = checked(`%x = input() {name="x"} : float32[1,3,3,8]
%r = reshape(%x) {shape=[1, 3, 3, 2, 2, 2]} : float32[1,3,3,2,2,2]
%t = transpose(%r) {permutation=[0, 1, 3, 2, 4, 5]} : float32[1,3,2,3,2,2]
%y = reshape(%t) {shape=[1, 6, 6, 2]} : float32[1,6,6,2]
return y = %y`)
    expect(summaryOf(kernel)).toEqual([' -> result'])
  })

  test('of padded rows, and of one axis with two splits', () => {
    checked(`%x = input() {name="x"} : float32[4,6]
%r = reshape(%x) {shape=[24]} : float32[24]
%p = pad(%r) {high=[2], interior=[1], low=[1], value=7} : float32[50]
%y = reshape(%p) {shape=[5, 10]} : float32[5,10]
return y = %y`)
    checked(`%x = input() {name="x"} : float32[4,3]
%z = input() {name="z"} : float32[3,4]
%a = reshape(%x) {shape=[12]} : float32[12]
%b = reshape(%z) {shape=[12]} : float32[12]
%y = add(%a, %b) : float32[12]
return y = %y`)
    checked(`%x = input() {name="x"} : float32[3,12]
%r = reshape(%x) {shape=[3, 3, 4]} : float32[3,3,4]
%s = slice(%r) {limits=[3, 3, 4], starts=[1, 0, 1], strides=[1, 2, 1]} : float32[2,2,3]
%y = reshape(%s) {shape=[2, 6]} : float32[2,6]
return y = %y`)
  })
})
