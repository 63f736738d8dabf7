/** Gradient accumulation: the mean gradient of n micro-batches changes the weights as one batch of all their rows does. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { compile } from '../../src/compile.ts'
import { float32, graph, type Image, mean, nn, silu } from '../../src/index.ts'
import { adam, type Optimizer, rmsprop, sgd } from '../../src/passes/train/optimizers.ts'
import type { StepOptions } from '../../src/passes/train/step.ts'
import { float64Trainer } from '../support/float64-trainer.ts'
import { numbers, squaresStep } from '../support/small-steps.ts'
import { withTensorflow } from '../support/tensorflow.ts'

type Layer = 'conv' | 'strided' | 'depthwise' | 'silu' | 'squeeze'
const layers: { readonly [L in Layer]: (x: Image, name: string) => Image } = {
  conv: (x, name) => nn.conv2d(x, { name, filters: 3, kernel: 3, bias: true }),
  strided: (x, name) => nn.conv2d(x, { name, filters: 2, kernel: 2, strides: 2 }),
  depthwise: (x, name) => nn.depthwiseConv2d(x, { name, kernel: 3 }),
  silu: (x) => silu(x),
  squeeze: (x, name) => nn.squeezeExcite(x, { name, reduced: 2, activation: silu }),
}
const netOf = (names: readonly Layer[]) =>
  graph('net', { x: float32('batch', 4, 4, 2) }, ({ x }) => {
    const last = names.reduce<Image>((at, name, i) => layers[name](at, `${name}${i}`), x)
    return { y: nn.dense(mean(last, [1, 2]), { name: 'dense', units: 2 }) }
  })
const optimizers: readonly Optimizer[] = [
  sgd({ learningRate: 0.1, momentum: 0.9 }),
  rmsprop({ learningRate: 0.05, initialMeanSquare: 1 }),
  adam({ learningRate: 0.01, epsilon: 1e-3 }),
]
const anyOptions: fc.Arbitrary<Partial<StepOptions>> = fc.record({
  optimizer: fc.constantFrom(...optimizers),
  weightDecay: fc.constantFrom(0, 0.01),
  clipNorm: fc.constantFrom(undefined, 0.05, 100),
  emaDecay: fc.constantFrom(undefined, 0.9),
  lossScale: fc.constantFrom<'none' | 'dynamic' | number>('none', 'dynamic', 2 ** 10),
  frozen: fc.constantFrom([], ['dense/bias'], ['**/kernel']),
})
const anyLayers = fc.array(fc.constantFrom<Layer>('conv', 'strided', 'depthwise', 'silu', 'squeeze'), { maxLength: 4 })
const updates = 3

/** The rows of one micro-batch. */
const part = (of: readonly number[], at: number, count: number): readonly number[] =>
  of.slice((at * of.length) / count, ((at + 1) * of.length) / count)

test('without batch statistics: equal to the large batch, for any network, options, number and size of micro-batches', () => {
  fc.assert(
    fc.property(anyLayers, anyOptions, fc.integer({ min: 2, max: 4 }), fc.integer({ min: 1, max: 3 }), (...drawn) => {
      const [names, options, n, batch] = drawn
      const step = (accumulate: number) => squaresStep(netOf(names), { ...options, accumulate })
      const [whole, parts] = [float64Trainer(step(1), n * batch), float64Trainer(step(n), batch)]
      for (let update = 0; update < updates; update++) {
        const [x, wanted] = [numbers(n * batch * 32, update), numbers(n * batch * 2, update + 9)]
        const { loss } = whole.run({ x, wanted })
        const reported = Array.from({ length: n }, (_, i) =>
          parts.run({ x: part(x, i, n), wanted: part(wanted, i, n) }),
        )
        expect(reported.map(({ updated }) => updated?.[0])).toEqual(reported.map((_, i) => (i === n - 1 ? 1 : 0)))
        const sum = reported.reduce((total, given) => total + (given['loss']?.[0] ?? Number.NaN), 0)
        expect(sum / n).toBeCloseTo(loss?.[0] ?? Number.NaN, 9)
      }
      for (const [name, values] of whole.variables) {
        const other = parts.variables.get(name)
        values.forEach((v, i) => expect(other?.[i]).toBeCloseTo(v, 9))
      }
      expect(whole.variables.get('step')?.[0]).toBe(updates)
    }),
    { numRuns: 60 },
  )
})

test.each(['reference', 'wasm', 'tfjs-wasm', ...withTensorflow] as const)(
  '%s: equal to the large batch within float32',
  async (backend) => {
    const options = { optimizer: adam({ learningRate: 0.01 }), weightDecay: 0.01, clipNorm: 0.05, emaDecay: 0.9 }
    const net = netOf(['conv', 'silu', 'depthwise', 'squeeze'])
    using whole = await compile(squaresStep(net, options), { backend, batch: 6 })
    using parts = await compile(squaresStep(net, { ...options, accumulate: 3 }), { backend, batch: 2 })
    for (let update = 0; update < updates; update++) {
      const [x, wanted] = [numbers(6 * 32, update), numbers(6 * 2, update + 9)]
      await whole.run({ x: Float32Array.from(x), wanted: Float32Array.from(wanted) })
      for (let i = 0; i < 3; i++)
        await parts.run({ x: Float32Array.from(part(x, i, 3)), wanted: Float32Array.from(part(wanted, i, 3)) })
    }
    for (const name of whole.variables.names('!step')) {
      const [want, got] = [await whole.variables.get(name), await parts.variables.get(name)]
      want.forEach((v, i) => expect(got[i]).toBeCloseTo(v, 5))
    }
  },
)
