/** Results and types of the functions on values. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Builder } from '../../src/ir/build.ts'
import { graph } from '../../src/ir/model.ts'
import * as fn from '../../src/ir/functions.ts'
import { interpret, type Numbers } from '../../src/ir/interpret.ts'
import { print } from '../../src/ir/print.ts'
import type { DType } from '../../src/ir/types.ts'
import { bool, float16, float32, int32, type TensorType, type Value } from '../../src/ir/value.ts'

interface Seen {
  readonly dtype: DType
  readonly shape: readonly number[]
  readonly data: readonly number[]
}
/** The result of the body for these operands, in float64. */
const evaluate = <I extends { readonly [name: string]: TensorType }>(
  inputs: I,
  feeds: { readonly [K in keyof I]: Numbers },
  body: (values: { readonly [K in keyof I]: Value<I[K]['dtype'], I[K]['rank']> }) => Value,
): Seen => {
  const built = graph('test', inputs, (values) => ({ y: body(values) })).at({ batch: 1 })
  const y = interpret(built, { inputs: feeds, mode: 'float64' }).outputs['y']
  return { dtype: y?.dtype ?? 'bool', shape: y?.shape ?? [], data: [...(y?.data ?? [])] }
}

const sigmoid = (v: number): number => 1 / (1 + Math.exp(-v))

describe('elementwise functions equal the Math functions of the same name', () => {
  // An independent definition of each: JavaScript's Math, or the written-out formula.
  const unary: { readonly [name: string]: readonly [fn.Unary, (v: number) => number] } = {
    neg: [fn.neg, (v) => -v],
    abs: [fn.abs, Math.abs],
    sign: [fn.sign, Math.sign],
    floor: [fn.floor, Math.floor],
    ceil: [fn.ceil, Math.ceil],
    exp: [fn.exp, Math.exp],
    expm1: [fn.expm1, Math.expm1],
    log: [fn.log, Math.log],
    log1p: [fn.log1p, Math.log1p],
    sqrt: [fn.sqrt, Math.sqrt],
    rsqrt: [fn.rsqrt, (v) => 1 / Math.sqrt(v)],
    reciprocal: [fn.reciprocal, (v) => 1 / v],
    sin: [fn.sin, Math.sin],
    cos: [fn.cos, Math.cos],
    tanh: [fn.tanh, Math.tanh],
    sigmoid: [fn.sigmoid, sigmoid],
    softplus: [fn.softplus, (v) => Math.log1p(Math.exp(v))],
    relu: [fn.relu, (v) => Math.max(v, 0)],
    relu6: [fn.relu6, (v) => Math.min(Math.max(v, 0), 6)],
    elu: [fn.elu, (v) => (v > 0 ? v : Math.expm1(v))],
    selu: [fn.selu, (v) => 1.0507009873554805 * (v > 0 ? v : 1.6732632423543772 * Math.expm1(v))],
    silu: [fn.silu, (v) => v * sigmoid(v)],
  }
  test.each(Object.keys(unary))('%s', (name) => {
    const [f, want] = unary[name] ?? []
    fc.assert(
      fc.property(fc.double({ min: -20, max: 20, noNaN: true }), (v) => {
        const { data } = evaluate({ x: float32(1) }, { x: [v] }, ({ x }) => f?.(x) ?? x)
        const expected = want?.(v) ?? Number.NaN
        if (Number.isNaN(expected)) expect(data[0]).toBeNaN()
        else if (Number.isFinite(expected))
          expect(Math.abs((data[0] ?? Number.NaN) - expected)).toBeLessThanOrEqual(
            1e-13 * Math.max(1, Math.abs(expected)),
          )
        else expect(data[0]).toBe(expected)
      }),
    )
  })
  test('round rounds ties to even; erf equals tabulated values', () => {
    expect(evaluate({ x: float32(5) }, { x: [0.5, 1.5, 2.5, -0.6, -2.5] }, ({ x }) => fn.round(x)).data).toEqual([
      0, 2, 2, -1, -2,
    ])
    const { data } = evaluate({ x: float32(3) }, { x: [0, 0.5, -1] }, ({ x }) => fn.erf(x))
    ;[0, 0.5204998778130465, -0.8427007929497149].forEach((want, i) => expect(data[i]).toBeCloseTo(want, 12))
  })

  const binary: { readonly [name: string]: readonly [fn.Binary, (a: number, b: number) => number] } = {
    add: [fn.add, (a, b) => a + b],
    sub: [fn.sub, (a, b) => a - b],
    mul: [fn.mul, (a, b) => a * b],
    div: [fn.div, (a, b) => a / b],
    pow: [fn.pow, (a, b) => a ** b],
    maximum: [fn.maximum, Math.max],
    minimum: [fn.minimum, Math.min],
    remainder: [fn.remainder, (a, b) => a % b],
  }
  test.each(Object.keys(binary))('%s of equal shapes, with a smaller operand, with a number', (name) => {
    const [f, want = () => Number.NaN] = binary[name] ?? []
    const number = fc.integer({ min: 1, max: 64 }).map((v) => v / 8)
    fc.assert(
      fc.property(
        fc.array(number, { minLength: 4, maxLength: 4 }),
        fc.array(number, { minLength: 4, maxLength: 4 }),
        (a, b) => {
          const types = { a: float32(2, 2), b: float32(2, 2), row: float32(2) }
          const [b0 = 0, b1 = 0] = b
          const feeds = { a, b, row: [b0, b1] }
          expect(evaluate(types, feeds, (v) => f?.(v.a, v.b) ?? v.a).data).toEqual(a.map((x, i) => want(x, b[i] ?? 0)))
          expect(evaluate(types, feeds, (v) => f?.(v.a, v.row) ?? v.a).data).toEqual(
            a.map((x, i) => want(x, b[i % 2] ?? 0)),
          )
          expect(evaluate(types, feeds, (v) => f?.(v.a, b0) ?? v.a).data).toEqual(a.map((x) => want(x, b0)))
        },
      ),
      { numRuns: 25 },
    )
  })

  test.each<[fn.Comparison, readonly number[]]>([
    [fn.equal, [0, 1, 0]],
    [fn.notEqual, [1, 0, 1]],
    [fn.less, [1, 0, 0]],
    [fn.lessEqual, [1, 1, 0]],
    [fn.greater, [0, 0, 1]],
    [fn.greaterEqual, [0, 1, 1]],
  ])('comparison %#: bool', (f, want) => {
    expect(evaluate({ x: float32(3) }, { x: [1, 2, 3] }, ({ x }) => f(x, 2))).toEqual({
      dtype: 'bool',
      shape: [3],
      data: want,
    })
  })
  test('logic and select', () => {
    const types = { p: bool(4), q: bool(4), x: float32(4) }
    const feeds = { p: [0, 0, 1, 1], q: [0, 1, 0, 1], x: [1, Number.NaN, Infinity, 4] }
    const data = (body: Parameters<typeof evaluate<typeof types>>[2]) => evaluate(types, feeds, body).data
    expect(data(({ p, q }) => fn.and(p, q))).toEqual([0, 0, 0, 1])
    expect(data(({ p, q }) => fn.or(p, q))).toEqual([0, 1, 1, 1])
    expect(data(({ p }) => fn.not(p))).toEqual([1, 1, 0, 0])
    expect(data(({ x }) => fn.isFinite(x))).toEqual([1, 0, 0, 1])
    expect(data(({ p, x }) => fn.select(p, x, -1))).toEqual([-1, -1, Infinity, 4])
  })
  test('a number gets the dtype of the tensor; casts change it', () => {
    expect(evaluate({ x: int32(2) }, { x: [7, -7] }, ({ x }) => fn.div(x, 2))).toEqual({
      dtype: 'int32',
      shape: [2],
      data: [3, -3],
    })
    expect(evaluate({ x: float32(2) }, { x: [1.9, -1.9] }, ({ x }) => fn.cast(x, 'int32'))).toEqual({
      dtype: 'int32',
      shape: [2],
      data: [1, -1],
    })
    expect(evaluate({ x: float16(1) }, { x: [1] }, ({ x }) => fn.add(x, 1)).dtype).toBe('float16')
  })
})

describe('movement', () => {
  const six = { x: float32(2, 3) }
  const feeds = { x: [1, 2, 3, 4, 5, 6] }
  test.each<[string, (x: Value<'float32', 2>) => Value, readonly number[], readonly number[]]>([
    ['reshape', (x) => fn.reshape(x, [3, 2]), [3, 2], [1, 2, 3, 4, 5, 6]],
    ['reshape, one size computed', (x) => fn.reshape(x, [1, -1, 2]), [1, 3, 2], [1, 2, 3, 4, 5, 6]],
    ["reshape, 'batch' for the first size", (x) => fn.reshape(x, ['batch', 1, -1]), [2, 1, 3], [1, 2, 3, 4, 5, 6]],
    ['transpose', (x) => fn.transpose(x, [1, 0]), [3, 2], [1, 4, 2, 5, 3, 6]],
    ['transpose, from the end', (x) => fn.transpose(x, [-1, -2]), [3, 2], [1, 4, 2, 5, 3, 6]],
    ['broadcastTo', (x) => fn.broadcastTo(x, [2, 2, 3]), [2, 2, 3], [1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 6]],
    ['slice', (x) => fn.slice(x, [0, 1], [2, 3]), [2, 2], [2, 3, 5, 6]],
    ['slice, every second', (x) => fn.slice(x, [1, 0], [2, 3], [1, 2]), [1, 2], [4, 6]],
    ['pad', (x) => fn.pad(x, [0, 1], [1, 0], 9), [3, 4], [9, 1, 2, 3, 9, 4, 5, 6, 9, 9, 9, 9]],
    ['concatenate', (x) => fn.concatenate([x, fn.neg(x)], 0), [4, 3], [1, 2, 3, 4, 5, 6, -1, -2, -3, -4, -5, -6]],
    [
      'concatenate, from the end',
      (x) => fn.concatenate([x, fn.neg(x)], -1),
      [2, 6],
      [1, 2, 3, -1, -2, -3, 4, 5, 6, -4, -5, -6],
    ],
    ['reverse', (x) => fn.reverse(x, [-1, 0]), [2, 3], [6, 5, 4, 3, 2, 1]],
  ])('%s', (_name, body, shape, data) => {
    expect(evaluate(six, feeds, ({ x }) => body(x))).toEqual({ dtype: 'float32', shape, data })
  })
  test('gather and oneHot', () => {
    const types = { ...six, i: int32(2) }
    expect(evaluate(types, { ...feeds, i: [2, 0] }, ({ x, i }) => fn.gather(x, i, -1))).toMatchObject({
      shape: [2, 2],
      data: [3, 1, 6, 4],
    })
    expect(evaluate(types, { ...feeds, i: [2, 0] }, ({ i }) => fn.oneHot(i, 3))).toMatchObject({
      dtype: 'float32',
      shape: [2, 3],
      data: [0, 0, 1, 1, 0, 0],
    })
  })
})

describe('reductions and products', () => {
  const six = { x: float32(2, 3) }
  const feeds = { x: [1, 2, 3, 4, 5, 9] }
  test.each<[string, (x: Value<'float32', 2>) => Value, readonly number[], readonly number[]]>([
    ['reduceSum', (x) => fn.reduceSum(x, [1]), [2], [6, 18]],
    ['reduceSum, from the end', (x) => fn.reduceSum(x, [-2]), [3], [5, 7, 12]],
    ['reduceSum of all', (x) => fn.reduceSum(x), [], [24]],
    ['axes in any order', (x) => fn.reduceSum(x, [1, 0]), [], [24]],
    ['reduceProd', (x) => fn.reduceProd(x, [0]), [3], [4, 10, 27]],
    ['reduceMax', (x) => fn.reduceMax(x, [1]), [2], [3, 9]],
    ['reduceMin', (x) => fn.reduceMin(x), [], [1]],
    ['mean', (x) => fn.mean(x, [-1]), [2], [2, 6]],
    ['variance', (x) => fn.variance(x), [], [20 / 3]],
    ['argMax of the last axis', (x) => fn.argMax(x), [2], [2, 2]],
    ['argMax', (x) => fn.argMax(x, 0), [3], [1, 1, 1]],
    ['topK values', (x) => fn.topK(x, 2).values, [2, 2], [3, 2, 9, 5]],
    ['topK indices', (x) => fn.topK(x, 2).indices, [2, 2], [2, 1, 2, 1]],
    ['matmul', (x) => fn.matmul(x, x, { transposeB: true }), [2, 2], [14, 41, 41, 122]],
  ])('%s', (_name, body, shape, data) => {
    const got = evaluate(six, feeds, ({ x }) => body(x))
    expect(got.shape).toEqual(shape)
    got.data.forEach((v, i) => expect(v).toBeCloseTo(data[i] ?? Number.NaN, 12))
  })
  test('softmax and logSoftmax of the last axis, or of another', () => {
    const logs = { x: [0, Math.log(3), 0, 0] }
    const square = { x: float32(2, 2) }
    const near = (got: Seen, want: readonly number[]) => {
      expect(got.shape).toEqual([2, 2])
      got.data.forEach((v, i) => expect(v).toBeCloseTo(want[i] ?? Number.NaN, 12))
    }
    near(
      evaluate(square, logs, ({ x }) => fn.softmax(x)),
      [1 / 4, 3 / 4, 1 / 2, 1 / 2],
    )
    near(
      evaluate(square, logs, ({ x }) => fn.softmax(x, 0)),
      [1 / 2, 3 / 4, 1 / 2, 1 / 4],
    )
    near(
      evaluate(square, logs, ({ x }) => fn.logSoftmax(x, -2)),
      [1 / 2, 3 / 4, 1 / 2, 1 / 4].map(Math.log),
    )
  })
  test('pooling', () => {
    const picture = { x: float32(1, 2, 4, 1) }
    const pixels = { x: [1, 2, 3, 4, 5, 6, 7, 8] }
    expect(evaluate(picture, pixels, ({ x }) => fn.maxPool2d(x, { window: 2 }))).toMatchObject({
      shape: [1, 1, 2, 1],
      data: [6, 8],
    })
    expect(evaluate(picture, pixels, ({ x }) => fn.avgPool2d(x, { window: 2 }))).toMatchObject({
      shape: [1, 1, 2, 1],
      data: [3.5, 5.5],
    })
    expect(
      evaluate(picture, pixels, ({ x }) => fn.maxPool2d(x, { window: [1, 3], strides: 1, padding: 'same' })),
    ).toMatchObject({ shape: [1, 2, 4, 1], data: [2, 3, 4, 4, 6, 7, 8, 8] })
    expect(evaluate(picture, pixels, ({ x }) => fn.globalAveragePool2d(x))).toEqual({
      dtype: 'float32',
      shape: [1, 1],
      data: [4.5],
    })
  })
})

describe('dropout', () => {
  test('is the identity until a mode is chosen; each has its own stream, named by its path', () => {
    const model = graph('m', { x: float32(2) }, ({ x }, b) => ({
      y: b.scope('head', () => fn.dropout(fn.dropout(x, { rate: 0.5 }), { rate: 0.25, per: 'sample' })),
    }))
    expect(interpret(model.at({ batch: 1 }), { inputs: { x: [3, 4] } }).outputs['y']?.data).toEqual(
      Float64Array.of(3, 4),
    )
    expect(print(model.at({ batch: 1 }), { paths: false })).toMatchInlineSnapshot(`
      "graph m {
        %0 = input() {name="x"} : float32[2]
        %1 = dropout(%0) {rate=0.5, stream="head"} : float32[2]
        %2 = dropout(%1) {per="sample", rate=0.25, stream="head#1"} : float32[2]
        return y = %2
      }
      "
    `)
  })
})

describe('composite', () => {
  const cube = fn.composite('cube', (x: Value<'float32', 1>) => fn.mul(fn.mul(x, x), x), {
    amp: 'deny',
    tolerance: 'rounding',
  })
  test('keeps its name, computes its body', () => {
    expect(evaluate({ x: float32(2) }, { x: [2, -3] }, ({ x }) => cube(x)).data).toEqual([8, -27])
    const b = new Builder('m')
    const y = cube(b.input('x', { dtype: 'float32', shape: [2] }) as Value<'float32', 1>)
    expect(print(b.finish({ y }), { paths: false })).toMatchInlineSnapshot(`
      "graph m {
        %0 = input() {name="x"} : float32[2]
        %1 = composite(%0) {amp="deny", body=(%0: float32[2]) {
          %1 = mul(%0, %0) : float32[2]
          %2 = mul(%1, %0) : float32[2]
          return %2
        }, name="cube", tolerance="rounding"} : float32[2]
        return y = %1
      }
      "
    `)
  })
  test('of several operands, and inside another', () => {
    const scaled = fn.composite('scaled', (x: Value<'float32', 1>, by: Value<'float32', 0>) => cube(fn.mul(x, by)))
    expect(
      evaluate({ x: float32(2), by: float32() }, { x: [1, 2], by: [2] }, ({ x, by }) => scaled(x, by)).data,
    ).toEqual([8, 64])
  })
})

test('a number may be the first operand, and gets the dtype of the second', () => {
  const x = { x: float32(3) }
  const feeds = { x: [1, 2, 4] }
  expect(evaluate(x, feeds, ({ x }) => fn.sub(1, x)).data).toEqual([0, -1, -3])
  expect(evaluate(x, feeds, ({ x }) => fn.div(8, x)).data).toEqual([8, 4, 2])
  expect(evaluate(x, feeds, ({ x }) => fn.pow(2, x)).data).toEqual([2, 4, 16])
  expect(evaluate(x, feeds, ({ x }) => fn.less(2, x))).toMatchObject({ dtype: 'bool', data: [0, 0, 1] })
  expect(evaluate({ n: int32(2) }, { n: [1, 5] }, ({ n }) => fn.sub(3, n))).toMatchObject({
    dtype: 'int32',
    data: [2, -2],
  })
  expect(() => graph('g', { n: int32(2) }, ({ n }) => ({ y: fn.sub(0.5, n) }))).toThrow(
    /the number 0.5 is not an int32/,
  )
  expect(() => graph('g', x, () => ({ y: fn.sub(1, 2 as never) }))).toThrow(/sub: a tensor of the graph is needed/)
})

test('flatten, and reshape by a size of the tensor itself, need no assertions', () => {
  const image = { image: float32(2, 2, 3, 1) }
  const feeds = { image: Array.from({ length: 12 }, (_, i) => i) }
  const wanted = { shape: [2, 6], data: feeds.image }
  expect(evaluate(image, feeds, ({ image }) => fn.flatten(image))).toMatchObject(wanted)
  expect(evaluate(image, feeds, ({ image }) => fn.reshape(image, [image.shape[0], -1]))).toMatchObject(wanted)
  expect(() => graph('g', { x: float32() }, ({ x }) => ({ y: fn.flatten(x) }))).toThrow(
    /flatten: float32\[\] has no rows/,
  )
})
