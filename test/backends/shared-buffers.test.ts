/** One buffer as an operand in several shapes. tfjs-wasm uses XNNPACK, which packs right operands, and tfjs caches the packed operands by tensor. */
import * as tf from '@tensorflow/tfjs-core'
import { describe, expect, test } from 'vitest'
import { compile } from '../../src/compile.ts'
import { read } from '../../src/executable/results.ts'
import {
  type Builder,
  crossEntropy,
  float32,
  graph,
  loss,
  matmul,
  mean,
  mul,
  nn,
  reshape,
  sgd,
  sub,
  tanh,
  trainingStep,
  transpose,
  type Value,
} from '../../src/index.ts'
import { withTensorflow } from '../support/tensorflow.ts'
import { withAdapter } from '../support/webgpu.ts'

describe.each(['wasm', 'tfjs-wasm', 'tfjs-cpu', 'reference', ...withAdapter, ...withTensorflow] as const)(
  '%s',
  (backend) => {
    test('a right operand, and again transposed', async () => {
      const model = graph('twice', { a: float32(2, 1), b: float32(2, 1), c: float32(2, 2) }, ({ a, b, c }) => ({
        y: matmul(c, b),
        z: matmul(a, b, { transposeB: true }),
      }))
      using net = await compile(model, { backend })
      const feeds = {
        a: [[1], [2]],
        b: [[3], [4]],
        c: [
          [1, 2],
          [3, 4],
        ],
      }
      for (let run = 0; run < 3; run++) {
        const { y, z } = await read(await net.run(feeds))
        expect([...y]).toEqual([11, 25])
        expect([...z]).toEqual([3, 4, 6, 8])
      }
    })

    test('a product with its own right operand stays within its buffers', async () => {
      const model = graph('chain', { a: float32(9, 1), b: float32(7, 1) }, ({ a, b }) => ({
        y: matmul(matmul(a, b, { transposeB: true }), b),
      }))
      using net = await compile(model, { backend })
      const [a, b] = [
        Float32Array.from({ length: 9 }, (_, i) => i - 4),
        Float32Array.from({ length: 7 }, (_, i) => i + 1),
      ]
      const { y } = await read(await net.run({ a, b }))
      expect([...y]).toEqual([...a].map((value) => value * 140)) // the sum of b squared
    })

    test('dense, tanh, dense train to the losses of the formula', async () => {
      const net = graph('net', { x: float32('batch', 3) }, ({ x }) => ({
        y: nn.dense(tanh(nn.dense(x, { name: 'first', units: 4, bias: false })), {
          name: 'second',
          units: 1,
          bias: false,
        }),
      }))
      const squares = loss({ wanted: float32('batch', 1) }, ({ y }: { y: Value<'float32', 2> }, { wanted }) => {
        const difference = sub(y, wanted)
        return mean(mul(difference, difference))
      })
      const step = trainingStep(net, { loss: squares, optimizer: sgd({ learningRate: 0.25, momentum: 0 }) })
      using trainer = await compile(step, { backend, batch: 4 })
      const wave = (count: number, pace: number) =>
        Float32Array.from({ length: count }, (_, i) => Math.sin(1 + i * pace))
      const weights = { first: wave(12, 0.7), second: wave(4, 1.3) }
      await trainer.variables.set('first/kernel', weights.first)
      await trainer.variables.set('second/kernel', weights.second)
      const [x, wanted] = [wave(12, 2.1), wave(4, 0.4)]
      const losses: number[] = []
      for (let run = 0; run < 12; run++) losses.push((await read(await trainer.run({ x, wanted }))).loss)
      const formula = lossesOf(weights, x, wanted, { steps: 12, rate: 0.25 })
      losses.forEach((value, i) => expect(value).toBeCloseTo(formula[i] ?? Number.NaN, 5))
      expect(losses.at(-1)).toBeLessThan((losses[0] ?? 0) / 3)
    })

    test('two executables that share a variable, each in a shape of its own, before and after it changes', async () => {
      const weights = (b: Builder) => b.variable('w', { shape: [2, 3], dtype: 'float32' }) as Value<'float32', 2> // declared so
      const plain = graph('plain', { x: float32(2, 2) }, ({ x }, b) => ({ y: matmul(x, weights(b)) }))
      const shaped = graph('shaped', { x: float32(2, 2) }, ({ x }, b) => {
        const w = weights(b)
        return {
          y: matmul(x, reshape(w, [2, 3])),
          z: matmul(reshape(x, [4, 1]), reshape(w, [1, 6])),
          t: matmul(transpose(w, [1, 0]), w),
        }
      })
      using first = await compile(plain, { backend })
      using second = await compile(shaped, { backend, variables: first.variables })
      const x = [
        [1, 0],
        [0, 1],
      ]
      for (const scale of [1, 2, 3]) {
        const w = [1, 2, 3, 4, 5, 6].map((value) => value * scale)
        await first.variables.set('w', w)
        for (let run = 0; run < 2; run++) {
          expect([...(await read(await first.run({ x }))).y]).toEqual(w)
          const { y, z, t } = await read(await second.run({ x }))
          expect([...y]).toEqual(w)
          expect([...z]).toEqual([...w, ...new Array<number>(12).fill(0), ...w])
          expect([...t]).toEqual([17, 22, 27, 22, 29, 36, 27, 36, 45].map((value) => value * scale * scale))
        }
      }
    })
  },
)

test('shape ids are freed with their buffers: training with products leaks none', async () => {
  const net = graph('net', { x: float32('batch', 3) }, ({ x }) => ({
    logits: nn.dense(tanh(nn.dense(x, { name: 'first', units: 4, bias: false })), { name: 'second', units: 2 }),
  }))
  const step = trainingStep(net, { loss: crossEntropy(), optimizer: sgd({ learningRate: 0.1 }) })
  using trainer = await compile(step, { backend: 'tfjs-wasm', batch: 2 })
  const run = async () => {
    const results = await trainer.run({ x: Float32Array.of(1, 2, 3, 4, 5, 6), label: [0, 1] })
    for (const result of Object.values(results)) result.dispose()
  }
  await run()
  const before = tf.findBackend('wasm').numDataIds()
  for (let i = 0; i < 20; i++) await run()
  expect(tf.findBackend('wasm').numDataIds()).toBe(before)
})

test.each([['effuse first', true] as const, ['tfjs first', false] as const])(
  "a tensor that the user's own tfjs multiplies with in another shape: %s",
  async (_, isOursFirst) => {
    await import('@tensorflow/tfjs-backend-wasm')
    const model = graph('fed', { x: float32(1, 2), w: float32(2, 1) }, ({ x, w }) => ({ y: matmul(x, w) }))
    using net = await compile(model, { backend: 'tfjs-wasm' })
    await tf.setBackend('wasm')
    const flat = tf.tensor1d([3, 4])
    const [column, row] = [tf.reshape<tf.Rank.R2>(flat, [2, 1]), tf.reshape<tf.Rank.R2>(flat, [1, 2])]
    const ours = async () => {
      const results = await net.run({ x: [[1, 2]], w: column })
      const { y } = await read(results)
      results.y.dispose()
      return [...y]
    }
    const theirs = () => [...tf.matMul(tf.tensor2d([[1], [2]]), row).dataSync()]
    const steps = isOursFirst ? [ours, theirs, ours] : [theirs, ours, theirs]
    for (const step of steps) expect(await step()).toEqual(step === ours ? [11] : [3, 4, 6, 8])
    const before = tf.findBackend('wasm').numDataIds()
    await ours()
    expect(tf.findBackend('wasm').numDataIds()).toBe(before)
    tf.dispose([flat, column, row])
  },
)

/** The losses of y = tanh(x A) b against `wanted` under gradient descent, in float64. */
const lossesOf = (
  weights: { readonly first: ArrayLike<number>; readonly second: ArrayLike<number> },
  x: ArrayLike<number>,
  wanted: ArrayLike<number>,
  { steps, rate }: { readonly steps: number; readonly rate: number },
): readonly number[] => {
  const [a, b] = [Float64Array.from(weights.first), Float64Array.from(weights.second)]
  return Array.from({ length: steps }, () => {
    const [da, db] = [new Float64Array(12), new Float64Array(4)]
    let sum = 0
    for (let row = 0; row < 4; row++) {
      const inner = [0, 1, 2, 3].map((j) => [0, 1, 2].reduce((s, k) => s + at(x, row * 3 + k) * at(a, k * 4 + j), 0))
      const hidden = inner.map(Math.tanh)
      const difference = hidden.reduce((s, h, j) => s + h * at(b, j), 0) - at(wanted, row)
      sum += difference * difference
      hidden.forEach((h, j) => {
        db[j] = at(db, j) + (2 * difference * h) / 4
        for (let k = 0; k < 3; k++)
          da[k * 4 + j] = at(da, k * 4 + j) + (2 * difference * at(b, j) * (1 - h * h) * at(x, row * 3 + k)) / 4
      })
    }
    a.forEach((value, i) => (a[i] = value - rate * at(da, i)))
    b.forEach((value, i) => (b[i] = value - rate * at(db, i)))
    return sum / 4
  })
}
const at = (list: ArrayLike<number>, i: number): number => list[i] ?? Number.NaN
