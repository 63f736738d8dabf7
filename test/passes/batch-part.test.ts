/** The graph of one part of a batch gives the numbers of its examples, bit by bit on the reference interpreter; and graphs that mix examples have none. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { efficientNet } from '../../src/index.ts'
import type { OpName } from '../../src/ir/signatures.ts'
import { opDef, opNames } from '../../src/ir/ops/index.ts'
import { parse } from '../../src/ir/parse.ts'
import type { Graph } from '../../src/ir/types.ts'
import { verify } from '../../src/ir/verify.ts'
import { inputTypes, liveOrder } from '../../src/ir/graph.ts'
import { batchPart } from '../../src/passes/batch-part.ts'
import { toInference } from '../../src/passes/to-inference.ts'
import {
  anyGraph,
  feedsFor,
  feedsOfCase,
  graphOfCase,
  networkOfLayers,
  layerLists,
  opCases,
} from '../../src/testing/index.ts'
import { expectSame } from './part-results.ts'

/** The numbers of equal parts of the axes of inputs. */
const divisors = (graph: Graph): readonly number[] => [
  ...new Set([...inputTypes(graph).values()].flatMap(({ shape: [size = 1] }) => (size > 1 ? [size] : []))),
]

describe('batchPart()', () => {
  /** Ops whose results at one example depend on others, and those that random numbers or updates need. */
  const refused = (op: OpName): boolean =>
    !Object.hasOwn(opCases, op) ||
    ['model', 'source'].includes(opDef(op).level) ||
    /Gradient$|^(batchNormTraining|rmsprop|sgd|adam|ema|allFinite|lossScaleUpdate)$/.test(op)

  test.each(opNames.filter((op) => !refused(op)))('divides %s, and each part has the numbers of its examples', (op) => {
    let divided = 0
    fc.assert(
      fc.property(opCases[op as keyof typeof opCases], (drawn) => {
        const graph = graphOfCase(drawn)
        for (const parts of divisors(graph)) {
          const part = batchPart(graph, parts)
          if (part === null) continue
          divided++
          expectSame(graph, part, parts, feedsOfCase(drawn))
        }
      }),
      { numRuns: 60 },
    )
    expect(divided).toBeGreaterThan(0)
  })

  test.each(opNames.filter((op) => refused(op) && Object.hasOwn(opCases, op) && opDef(op).level !== 'source'))(
    'does not divide %s',
    (op) =>
      fc.assert(
        fc.property(opCases[op as keyof typeof opCases], (drawn) => {
          const graph = graphOfCase(drawn)
          for (const parts of divisors(graph)) expect(batchPart(graph, parts)).toBe(null)
        }),
        { numRuns: 20 },
      ),
  )

  test('divides random graphs', () => {
    let divided = 0
    fc.assert(
      fc.property(anyGraph({ effects: false }), fc.nat(9), ({ graph }, seed) => {
        const part = batchPart(graph, 2)
        if (part === null) return
        divided++
        const { inputs, variables } = feedsFor(graph, seed)
        expectSame(graph, part, 2, inputs, variables)
      }),
      { numRuns: 400 },
    )
    expect(divided).toBeGreaterThan(20)
  })

  test('divides random networks', () =>
    fc.assert(
      fc.property(layerLists, fc.constantFrom(2, 3), (layers, parts) => {
        const model = networkOfLayers(layers).at({ batch: 6 })
        const graph = toInference.run(model, { report: () => {} } as never)
        const part = batchPart(graph, parts)
        const { inputs, variables } = feedsFor(graph, 1)
        const positive = new Map([...variables].map(([name, data]) => [name, data.map((x) => Math.abs(x) + 0.125)]))
        expect(part).not.toBe(null)
        if (part !== null) expectSame(graph, part, parts, inputs, positive)
      }),
      { numRuns: 20 },
    ))

  test('divides EfficientNet', () => {
    const graph = toInference.run(efficientNet('b0').at({ batch: 8 }), { report: () => {} } as never)
    const part = batchPart(graph, 4)
    expect([...(part?.inputs ?? [])]).toEqual([['image', 0]])
    expect([...(part?.outputs ?? [])]).toEqual([
      ['logits', 0],
      ['probabilities', 0],
    ])
    expect(part === null ? [] : verify(part.graph)).toEqual([])
    expect(
      (part === null ? [] : liveOrder(part.graph))
        .flatMap((node) => node.types)
        .some(({ shape }) => shape.length === 4 && shape[0] === 8),
    ).toBe(false)
  })

  const image = 'float32[4,2,2,4]'
  const of = (nodes: string): Graph => parse(`graph g {\n%x = input() {name="x"} : ${image}\n${nodes}\n}`)
  const dataOf = (graph: Graph): void => {
    const part = batchPart(graph, 2)
    const { inputs, variables } = feedsFor(graph, 3)
    expect(part).not.toBe(null)
    if (part !== null) expectSame(graph, part, 2, inputs, variables)
  }

  test.each([
    ['a reverse of the examples', `%y = reverse(%x) {axes=[0]} : ${image}\nreturn y = %y`],
    ['a mean over the examples', '%y = mean(%x) {axes=[0]} : float32[2,2,4]\nreturn y = %y'],
    [
      'the statistics of a batch',
      `%m = mean(%x) {axes=[0,1,2]} : float32[4]\n%r = broadcast(%m) {axes=[3], shape=[4,2,2,4]} : ${image}
       %y = sub(%x, %r) : ${image}\nreturn y = %y`,
    ],
    [
      'a product over the examples',
      '%f = reshape(%x) {shape=[4,16]} : float32[4,16]\n%y = matmul(%f, %f) {transposeA=true} : float32[16,16]\nreturn y = %y',
    ],
    [
      'a product of all examples with all',
      '%f = reshape(%x) {shape=[4,16]} : float32[4,16]\n%y = matmul(%f, %f) {transposeB=true} : float32[4,4]\nreturn y = %y',
    ],
    [
      'a transpose that is added',
      `%t = transpose(%x) {permutation=[3,1,2,0]} : ${image}\n%y = add(%x, %t) : ${image}\nreturn y = %y`,
    ],
    [
      'a slice of the examples',
      '%y = slice(%x) {starts=[0,0,0,0], limits=[2,2,2,4], strides=[1,1,1,1]} : float32[2,2,2,4]\nreturn y = %y',
    ],
    ['more examples', `%y = concatenate(%x, %x) {axis=0} : float32[8,2,2,4]\nreturn y = %y`],
    [
      'a padding of the examples',
      '%y = pad(%x) {low=[1,0,0,0], high=[0,0,0,0], interior=[0,0,0,0], value=0} : float32[5,2,2,4]\nreturn y = %y',
    ],
    ['a softmax over the examples', `%y = softmax(%x) {axis=0} : ${image}\nreturn y = %y`],
    ['the index of an example', '%y = argMax(%x) {axis=0} : int32[2,2,4]\nreturn y = %y'],
    [
      'numbers of the examples',
      `%i = iota() {axis=0, dtype="float32", shape=[4,2,2,4]} : ${image}\n%y = add(%x, %i) : ${image}\nreturn y = %y`,
    ],
    [
      'a variable with a row for each example',
      `%v = variable() {name="v"} : ${image}\n%y = add(%x, %v) : ${image}\nreturn y = %y`,
    ],
    [
      'random numbers',
      `%u = randomUniform() {shape=[4,2,2,4], stream="s"} : ${image}\n%y = add(%x, %u) : ${image}\nreturn y = %y`,
    ],
    [
      'a filter of the examples',
      `%k = transpose(%x) {permutation=[1,2,3,0]} : float32[2,2,4,4]\n%y = conv2d(%x, %k) {padding="same", strides=[1,1]} : ${image}\nreturn y = %y`,
    ],
    ['an update', `%v = variable() {name="v"} : float32[]\nupdate %v = %v\nreturn y = %x`],
    ['a result without examples', '%v = variable() {name="v"} : float32[]\nreturn v = %v'],
    [
      'a reshape that cuts examples',
      '%y = reshape(%x) {shape=[2,2,2,2,4]} : float32[2,2,2,2,4]\n%z = reduceSum(%y) {axes=[0], keepDims=false} : float32[2,2,2,4]\nreturn y = %z',
    ],
  ])('has no part of %s', (_, nodes) => expect(batchPart(of(nodes), 2)).toBe(null))

  test.each([
    [
      'results on other axes',
      '%t = transpose(%x) {permutation=[3,1,2,0]} : float32[4,2,2,4]\n%m = mean(%t) {axes=[0,1]} : float32[2,4]\nreturn y = %t, m = %m',
    ],
    [
      'examples flattened with their pixels',
      '%f = reshape(%x) {shape=[16,4]} : float32[16,4]\n%w = variable() {name="w"} : float32[4,3]\n%p = matmul(%f, %w) : float32[16,3]\n%y = reshape(%p) {shape=[4,2,2,3]} : float32[4,2,2,3]\nreturn y = %y, flat = %p',
    ],
    [
      'examples in the right operand of a product, transposed',
      `%f = reshape(%x) {shape=[4,16]} : float32[4,16]\n%w = variable() {name="w"} : float32[3,16]
       %t = transpose(%f) {permutation=[1,0]} : float32[16,4]
       %p = matmul(%w, %f) {transposeB=true} : float32[3,4]
       %y = transpose(%p) {permutation=[1,0]} : float32[4,3]\nreturn y = %y`,
    ],
    [
      'examples in the right operand of a product, not transposed',
      `%f = reshape(%x) {shape=[4,16]} : float32[4,16]\n%w = variable() {name="w"} : float32[3,16]
       %t = transpose(%f) {permutation=[1,0]} : float32[16,4]
       %p = matmul(%w, %t) {transposeB=false} : float32[3,4]
       %y = transpose(%p) {permutation=[1,0]} : float32[4,3]\nreturn y = %y`,
    ],
    [
      'repeated values that are computed',
      `%v = variable() {name="v"} : float32[4]\n%r = broadcast(%v) {axes=[3], shape=[4,2,2,4]} : ${image}
       %c = constant() {value=0.5} : ${image}\n%s = mul(%r, %c) : ${image}\n%y = add(%x, %s) : ${image}\nreturn y = %y, whole = %s`,
    ],
    [
      'numbers of pixels',
      `%i = iota() {axis=1, dtype="float32", shape=[4,2,2,4]} : ${image}\n%y = add(%x, %i) : ${image}\nreturn y = %y`,
    ],
    [
      'rows that indices choose',
      '%i = argMax(%x) {axis=3} : int32[4,2,2]\n%t = variable() {name="t"} : float32[4,3]\n%y = gather(%t, %i) {axis=0} : float32[4,2,2,3]\nreturn y = %y',
    ],
    [
      'a result without examples beside one with',
      '%v = variable() {name="v"} : float32[3]\n%y = neg(%x) : float32[4,2,2,4]\nreturn y = %y, v = %v',
    ],
    [
      'an input without examples',
      '%z = input() {name="z"} : float32[]\n%r = broadcast(%z) {axes=[], shape=[4,2,2,4]} : float32[4,2,2,4]\n%y = add(%x, %r) : float32[4,2,2,4]\nreturn y = %y',
    ],
  ])('divides %s', (_, nodes) => dataOf(of(nodes)))

  test('needs equal parts, two at least', () => {
    const graph = of(`%y = neg(%x) : ${image}\nreturn y = %y`)
    expect([1, 2, 3, 4, 8].map((parts) => batchPart(graph, parts) !== null)).toEqual([false, true, false, true, false])
  })
})
