/** Each rule on the smallest graph that violates it, with the user's message, and on a similar graph that does not. */
import { expect, test } from 'vitest'
import { parse } from '../../../src/ir/parse.ts'
import { genericTarget, type TargetInfo } from '../../../src/ir/target.ts'
import { fusionOf } from '../../../src/passes/fusion/decision.ts'
import { refusalText } from '../../../src/passes/fusion/refusals.ts'
import { fused } from './networks.ts'
import { opsOf, regionsOf } from './structure.ts'

/** The ops of each region, and the reasons why pairs of regions are not fused. */
const outcome = (body: string, target: TargetInfo = genericTarget) => {
  const after = fused(parse(`graph g {\n${body}\n}`), target)
  const decision = fusionOf(after)
  return {
    regions: regionsOf(after).map((region) =>
      opsOf(region)
        .map(({ op }) => op)
        .join(' '),
    ),
    why: (decision?.refused ?? []).map(({ refusal }) => refusalText(refusal, decision?.facts.nodes ?? [], target)),
  }
}

const image = '%x = input() {name="x"} : float32[1,32,32,64]'
const filter = '%k = variable() {name="k"} : float32[3,3,64,1]'
const wide = '%w = variable() {name="w"} : float32[1,1,64,64]'
const more = '%v = variable() {name="v"} : float32[1,1,64,64]'
const t = 'float32[1,32,32,64]'

test('kinds: a convolution before a depthwise convolution', () => {
  const { regions, why } = outcome(`${image} ${filter} ${wide}
    %a = conv2d(%x, %w) : ${t} %y = depthwiseConv2d(%a, %k) : ${t} return y = %y`)
  expect(regions).toEqual(['conv2d', 'depthwiseConv2d'])
  expect(why).toEqual(['one kernel cannot have the loops of both a convolution or product and a depthwise convolution'])
})

test('kinds: a depthwise convolution with the sum of its results is one kernel', () => {
  const { regions } = outcome(`${image} ${filter}
    %a = depthwiseConv2d(%x, %k) : ${t} %s = reduceSum(%a) {axes=[1,2]} : float32[1,64] return a = %a, s = %s`)
  expect(regions).toEqual(['depthwiseConv2d reduceSum'])
})

test('repeated: an exponential before a window', () => {
  const { regions, why } = outcome(`${image} ${filter}
    %a = exp(%x) : ${t} %y = depthwiseConv2d(%a, %k) : ${t} return y = %y`)
  expect(regions).toEqual(['exp', 'depthwiseConv2d'])
  expect(why).toEqual(['exp is slow, and depthwiseConv2d would compute it 9 times for each element'])
})

test('repeated: an exponential before a cheap op before a window', () => {
  const { regions } = outcome(`${image} ${filter}
    %a = exp(%x) : ${t} %b = neg(%a) : ${t} %y = depthwiseConv2d(%b, %k) : ${t} return y = %y`)
  expect(regions).not.toContain('exp neg depthwiseConv2d')
  expect(regions.filter((ops) => ops.includes('exp'))).toHaveLength(1)
})

test.each(['neg', 'relu', 'abs'])('repeated: %s before a window is cheap', (op) => {
  const { regions } = outcome(`${image} ${filter}
    %a = ${op}(%x) : ${t} %y = depthwiseConv2d(%a, %k) : ${t} return y = %y`)
  expect(regions).toEqual([`${op} depthwiseConv2d`])
})

test('repeated: a slow value that is also a result is not recomputed in a window', () => {
  const { regions } = outcome(`${image} ${filter}
    %a = exp(%x) : ${t} %y = depthwiseConv2d(%a, %k) : ${t} return a = %a, y = %y`)
  expect(regions).toEqual(['exp', 'depthwiseConv2d'])
})

test('repeated: a slow value is computed once for two readers that cannot be fused', () => {
  const { regions } = outcome(`${image} ${wide} ${more}
    %a = exp(%x) : ${t} %y = conv2d(%a, %w) : ${t} %z = conv2d(%a, %v) : ${t} return y = %y, z = %z`)
  expect(regions.filter((ops) => ops.includes('exp'))).toHaveLength(1)
})

test('a cheap value is recomputed by both of its readers', () => {
  const { regions } = outcome(`${image} ${wide} ${more}
    %a = neg(%x) : ${t} %y = conv2d(%a, %w) : ${t} %z = conv2d(%a, %v) : ${t} return y = %y, z = %z`)
  expect(regions).toEqual(['neg conv2d', 'neg conv2d'])
})

/** The regions of an op that this many convolutions read. */
const regionsOfReaders = (count: number, op: string, from = 'float32') => {
  const readers = Array.from({ length: count }, (_, i) => i)
  return outcome(`%x = input() {name="x"} : ${from}[1,32,32,64]
    ${readers.map((i) => `%w${i} = variable() {name="w${i}"} : float32[1,1,64,64]`).join('\n')} %a = ${op} : ${t}
    ${readers.map((i) => `%y${i} = conv2d(%a, %w${i}) : ${t}`).join('\n')} return ${readers.map((i) => `y${i} = %y${i}`).join(', ')}`)
    .regions
}

test.each(['float16', 'bfloat16'])('a widening cast from %s is recomputed by any number of readers', (dtype) => {
  const regions = regionsOfReaders(17, 'cast(%x) {to="float32"}', dtype)
  expect(regions).toEqual(Array<string>(17).fill('cast conv2d'))
})

test('chain: two large convolutions', () => {
  const { regions, why } = outcome(`${image} ${wide} ${more}
    %a = conv2d(%x, %w) : ${t} %y = conv2d(%a, %v) : ${t} return y = %y`)
  expect(regions).toEqual(['conv2d', 'conv2d'])
  expect(why).toEqual([
    '2 contractions in one kernel must be small: 8.39 M multiply-adds and 0.557 MB, where at most 0.262 M and 1.05 MB are allowed',
  ])
})

test('chain: two small convolutions are one kernel', () => {
  const { regions } = outcome(`%x = input() {name="x"} : float32[1,1,1,64] ${wide} ${more}
    %a = conv2d(%x, %w) : float32[1,1,1,64] %r = sigmoid(%a) : float32[1,1,1,64] %y = conv2d(%r, %v) : float32[1,1,1,64] return y = %y`)
  expect(regions).toEqual(['conv2d sigmoid conv2d'])
})

test('barrier: all elements wait for a sum over all of them', () => {
  const { regions, why } = outcome(`%x = input() {name="x"} : float32[4096,64]
    %s = reduceSum(%x) {axes=[0]} : float32[64]
    %b = broadcast(%s) {axes=[1], shape=[4096,64]} : float32[4096,64]
    %y = mul(%x, %b) : float32[4096,64] return y = %y`)
  expect(regions).toEqual(['reduceSum', 'broadcast mul'])
  expect(why).toEqual([
    'mul must wait until all of reduceSum is complete, and the waiting work takes 131 µs, more than the 2 µs of a launch that it would save',
  ])
})

test('barrier: rows wait only for their own sums, as in softmax', () => {
  const { regions } = outcome(`%x = input() {name="x"} : float32[4096,64]
    %m = reduceMax(%x) {axes=[1], keepDims=true} : float32[4096,1]
    %mb = broadcast(%m) {axes=[0,1], shape=[4096,64]} : float32[4096,64]
    %d = sub(%x, %mb) : float32[4096,64] %e = exp(%d) : float32[4096,64]
    %s = reduceSum(%e) {axes=[1], keepDims=true} : float32[4096,1]
    %sb = broadcast(%s) {axes=[0,1], shape=[4096,64]} : float32[4096,64]
    %y = div(%e, %sb) : float32[4096,64] return y = %y`)
  expect(regions).toEqual(['reduceMax broadcast sub exp reduceSum broadcast div'])
})

test('packed: work on the right operand of a product', () => {
  const { regions, why } = outcome(`%a = input() {name="a"} : float32[32,32] %b = input() {name="b"} : float32[32,32]
    %n = neg(%b) : float32[32,32] %y = matmul(%a, %n) : float32[32,32] return y = %y`)
  expect(regions).toEqual(['neg', 'matmul'])
  expect(why).toEqual(['neg makes the right operand of matmul, which is packed in advance'])
})

test('packed: work on the left operand is fused', () => {
  const { regions } = outcome(`%a = input() {name="a"} : float32[32,32] %b = input() {name="b"} : float32[32,32]
    %n = neg(%a) : float32[32,32] %y = matmul(%n, %b) : float32[32,32] return y = %y`)
  expect(regions).toEqual(['neg matmul'])
})

test('gather: its operand is in memory', () => {
  const { regions, why } = outcome(`%x = input() {name="x"} : float32[64,64] %i = input() {name="i"} : int32[32]
    %n = neg(%x) : float32[64,64] %j = neg(%i) : int32[32] %y = gather(%n, %j) {axis=0} : float32[32,64] return y = %y`)
  expect(regions.toSorted()).toEqual(['neg', 'neg gather'])
  expect(why).toEqual(['gather may read any element of neg, which must be in memory first'])
})

test('budget: a machine with four buffers', () => {
  const target = { ...genericTarget, fusionBudget: { ...genericTarget.fusionBudget, buffers: 4 } }
  const { regions, why } = outcome(
    `${['a', 'b', 'c', 'd'].map((name) => `%${name} = input() {name="${name}"} : float32[64,64]`).join(' ')}
    %e = add(%a, %b) : float32[64,64] %f = add(%e, %c) : float32[64,64] %g = add(%f, %d) : float32[64,64] return g = %g`,
    target,
  )
  expect(regions).toHaveLength(2)
  expect(why).toEqual(['the kernel would have 5 buffers, where 4 are allowed'])
})

test('unsupported: a machine without fused reductions', () => {
  const { regions, why } = outcome(
    `%x = input() {name="x"} : float32[64,64] %n = neg(%x) : float32[64,64]
    %s = reduceSum(%n) {axes=[1]} : float32[64] return s = %s`,
    { ...genericTarget, name: 'small', fusions: ['loop'] },
  )
  expect(regions).toEqual(['neg', 'reduceSum'])
  expect(why).toEqual(['small has no fused kernels of the kind reduction'])
})

test('cycle: a value that another kernel reads, and whose reader reads that kernel', () => {
  const { regions, why } = outcome(
    `%x = input() {name="x"} : float32[64,64] %w = variable() {name="w"} : float32[64,64]
    %a = exp(%x) : float32[64,64] %t = topK(%a) {k=64} : float32[64,64], int32[64,64]
    %y = add(%a, %t) : float32[64,64] return y = %y`
      .replace('%t = topK', '%t:2 = topK')
      .replace('add(%a, %t)', 'add(%a, %t.0)'),
  )
  expect(regions).toEqual(['exp', 'topK', 'add'])
  expect(why).toContain('the kernel would depend on itself: other kernels read the first and are read by the second')
})

test('view: a reshape that does not reorder elements stays outside', () => {
  const { regions, why } = outcome(`%x = input() {name="x"} : float32[64,64] %a = neg(%x) : float32[64,64]
    %r = reshape(%a) {shape=[4096]} : float32[4096] %y = exp(%r) : float32[4096] return y = %y`)
  expect(regions).toEqual(['neg', 'exp'])
  expect(why).toEqual(Array(2).fill('a reshape is a view of the same memory and needs no kernel'))
})

test('siblings: loops over the same value are one kernel with two results', () => {
  const { regions } = outcome(`%x = input() {name="x"} : float32[64,64] %a = exp(%x) : float32[64,64]
    %b = sin(%x) : float32[64,64] return a = %a, b = %b`)
  expect(regions).toEqual(['exp sin'])
})

test('siblings: reductions of one value along the same axes', () => {
  const { regions } = outcome(`%x = input() {name="x"} : float32[64,64] %a = reduceSum(%x) {axes=[0]} : float32[64]
    %b = reduceMax(%x) {axes=[0]} : float32[64] return a = %a, b = %b`)
  expect(regions).toEqual(['reduceSum reduceMax'])
})

test('siblings: reductions along different axes, and dependent loops, are not fused', () => {
  expect(
    outcome(`%x = input() {name="x"} : float32[64,64] %a = reduceSum(%x) {axes=[0]} : float32[64]
      %b = reduceMax(%x) {axes=[1]} : float32[64] return a = %a, b = %b`).regions,
  ).toHaveLength(2)
  expect(
    outcome(`%x = input() {name="x"} : float32[64,64] %a = exp(%x) : float32[64,64]
      %t:2 = topK(%a) {k=64} : float32[64,64], int32[64,64] %b = mul(%x, %t.0) : float32[64,64] return b = %b`).regions,
  ).toEqual(['exp', 'topK', 'mul'])
})

test('horizontal: equal work on independent tensors, on a machine that supports it', () => {
  const names = ['a', 'b', 'c', 'd']
  const body = `${names
    .map(
      (name, i) => `%${name} = input() {name="${name}"} : float32[${i + 2}]
      %e${name} = exp(%${name}) : float32[${i + 2}] %n${name} = neg(%e${name}) : float32[${i + 2}]`,
    )
    .join('\n')} return ${names.map((name) => `${name} = %n${name}`).join(', ')}`
  expect(outcome(body).regions).toHaveLength(4)
  const budget = { ...genericTarget.fusionBudget, horizontal: true }
  expect(outcome(body, { ...genericTarget, fusionBudget: budget }).regions).toEqual([
    Array(4).fill('exp neg').join(' '),
  ])
  const small = { ...budget, ops: 4 }
  expect(outcome(body, { ...genericTarget, fusionBudget: small }).regions).toEqual([
    'exp neg exp neg',
    'exp neg exp neg',
  ])
})
