/** Feeds that are not numbers, and values that are too large: EffuseErrors that name the input. */
import { expect, test } from 'vitest'
import { compile } from '../../src/compile.ts'
import { add } from '../../src/ir/functions.ts'
import { interpret } from '../../src/ir/interpret.ts'
import { graph } from '../../src/ir/model.ts'
import { parse } from '../../src/ir/parse.ts'
import { float32, int32 } from '../../src/ir/value.ts'

const net = graph('net', { x: float32('batch', 2) }, ({ x }) => ({ y: add(x, x) }))
const circle: unknown[] = []
circle.push(circle, 1)
const tensor = { dataId: {}, dtype: 'float32', shape: [1, 2], data: () => Promise.resolve([1, 2]) }

test.each([
  ['a bigint', [[1n, 2]], /got 1n as an element/],
  ['bigints', new BigInt64Array(2), /a BigInt64Array/],
  ['a lone bigint', 5n, /bigint at axis 0/],
  ['a circle', [circle], /as an element/],
  ['a symbol', [[Symbol('s'), 1]], /Symbol\(s\) as an element/],
  ['a function', [[() => 1, 1]], /a function as an element/],
  ['an object of its own ways', [[{ toJSON: () => 1n }, 1]], /an object as an element/],
  ['a tensor without a shape', { dataId: {}, shape: null }, /object at axis 0/],
  ['a tensor whose shape is null', { ...tensor, shape: null }, /object at axis 0/],
  ['a tensor whose shape is a number', { ...tensor, shape: 2 }, /object at axis 0/],
  ['a tensor of odd sizes', { ...tensor, shape: [null, {}] }, /the input "x" is float32\[1,2\]/],
  ['a tensor of an unknown type', { ...tensor, dtype: null }, /a tensor of null/],
  ['a tensor of fewer numbers', { ...tensor, data: () => Promise.resolve([1]) }, /not a readable tensor/],
  ['a tensor without numbers', { ...tensor, data: () => Promise.resolve(null) }, /not a readable tensor/],
  ['a tensor that fails', { ...tensor, data: () => Promise.reject(new TypeError('no')) }, /not a readable tensor/],
  [
    'a tensor that throws',
    {
      ...tensor,
      data: () => {
        throw new TypeError('no')
      },
    },
    /not a readable tensor/,
  ],
])('%s', async (_, x, message) => {
  for (const backend of ['reference', 'tfjs-cpu'] as const) {
    using executable = await compile(net, { backend })
    await expect(executable.run({ x } as never)).rejects.toEqual(
      expect.objectContaining({ name: 'EffuseError', code: 'EF402', message: expect.stringMatching(message) }),
    )
  }
})

test.each([
  'graph g { %i = iota() {axis=0, dtype="int32", shape=[4000000000]} : int32[4000000000] return i = %i }',
  'graph g { %i = iota() {axis=0, dtype="float32", shape=[100000, 100000, 100000, 100000]} : float32[100000,100000,100000,100000] return i = %i }',
  'graph g { %c = constant() {value=1} : float32[3000000000] return c = %c }',
  'graph g { %c = constant() {value=1} : float32[] %b = broadcast(%c) {shape=[300000000], axes=[]} : float32[300000000] return b = %b }',
  'graph g { %r = randomUniform() {shape=[300000000], stream="s"} : float32[300000000] return r = %r }',
])('a value too large to hold: %s', (text) => {
  expect(() => interpret(parse(text))).toThrow(
    expect.objectContaining({ code: 'EF409', message: expect.stringMatching(/holds at most 268435456 in one value/) }),
  )
})

test('one-hot labels for a loss of class indices: the hint names the right loss', async () => {
  const labelled = graph('labelled', { label: int32('batch') }, ({ label }) => ({ y: label }))
  using executable = await compile(labelled, { backend: 'reference', batch: 2 })
  const label = [
    [0, 1],
    [1, 0],
  ]
  await expect(executable.run({ label: label as never })).rejects.toMatchObject({
    code: 'EF402',
    message: 'the input "label" is int32[2], got [0,1] as an element',
    hint: expect.stringContaining("crossEntropy({ labels: 'distribution' })"),
  })
})
