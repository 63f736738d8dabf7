/** Layers that are used several times: one set of variables, whose gradients are added and whose statistics change in call order. */
import { describe, expect, test } from 'vitest'
import { compile } from '../../src/compile.ts'
import { add, matmul, mean, mul, reshape, transpose } from '../../src/ir/functions.ts'
import { variablesOf } from '../../src/ir/graph.ts'
import { graph } from '../../src/ir/model.ts'
import * as nn from '../../src/ir/nn.ts'
import { relu } from '../../src/ir/functions.ts'
import { float32, type Value } from '../../src/ir/value.ts'
import { loss } from '../../src/passes/train/losses.ts'
import { sgd } from '../../src/passes/train/optimizers.ts'
import { trainingStep } from '../../src/passes/train/step.ts'
import { withTensorflow } from '../support/tensorflow.ts'

const rows = 4
const a = Array.from({ length: rows }, (_, i) => [0.5 * i, 1 - i])
const b = Array.from({ length: rows }, (_, i) => [3 + i * i, 0.25 * i])
const momentum = 0.75

type Two = { readonly first: Value<'float32', 2>; readonly second: Value<'float32', 2> }
const squares = loss({ weight: float32('batch', 2) }, ({ first, second }: Two, { weight }) =>
  mean(mul(add(mul(first, first), mul(second, second)), weight)),
)
const inputs = { a: float32('batch', 2), b: float32('batch', 2) }
const optimizer = sgd({ learningRate: 0.125 })
const column = (x: readonly (readonly number[])[], c: number): readonly number[] => x.map((row) => row[c] ?? 0)
const average = (x: readonly number[]): number => x.reduce((sum, v) => sum + v, 0) / x.length
/** The unbiased variance. */
const spread = (x: readonly number[]): number => x.reduce((sum, v) => sum + (v - average(x)) ** 2, 0) / (x.length - 1)

describe.each(['reference', 'tfjs-cpu', 'wasm', 'tfjs-wasm', ...withTensorflow] as const)('%s', (backend) => {
  test.each([
    ['in call order', false],
    ['in call order, though the outputs read the second one first', true],
  ])('a shared batch norm updates its statistics %s', async (_, isReversed) => {
    const model = graph('normed', inputs, (given) => {
      const first = nn.batchNorm(given.a, { name: 'bn', momentum })
      const second = nn.batchNorm(given.b, { name: 'bn', momentum, share: true })
      return isReversed ? { second, first } : { first, second }
    })
    using net = await compile(trainingStep(model, { loss: squares, optimizer }), { backend, batch: rows })
    await net.run({ a, b, weight: a.map(() => [1, 2]) })
    const blend = (old: number, now: number): number => momentum * old + (1 - momentum) * now
    const moved = (start: number, of: (x: readonly number[]) => number): readonly number[] =>
      [0, 1].map((c) => blend(blend(start, of(column(a, c))), of(column(b, c))))
    const close = async (name: string, wanted: readonly number[]): Promise<void> => {
      for (const [i, value] of (await net.variables.get(name)).entries()) expect(value).toBeCloseTo(wanted[i] ?? 0, 5)
    }
    await close('bn/mean', moved(0, average))
    await close('bn/variance', moved(1, spread))
  })

  test.each([
    [
      'share: true',
      graph('dense', inputs, (given) => ({
        first: nn.dense(given.a, { name: 'dense', units: 2, bias: false }),
        second: nn.dense(given.b, { name: 'dense', units: 2, bias: false, share: true }),
      })),
    ],
    [
      'a kernel that is passed to ops',
      graph('dense', inputs, (given, builder) => {
        const kernel = builder.variable('dense/kernel', { shape: [2, 2] }) as Value<'float32', 2> // declared so
        const turned = transpose(kernel, [1, 0])
        return { first: matmul(given.a, kernel), second: matmul(given.b, turned, { transposeB: true }) }
      }),
    ],
  ])('gradients of a shared kernel add up: %s', async (_, model) => {
    expect(variablesOf(model.at({ batch: 1 })).map(({ attrs }) => attrs.name)).toEqual(['dense/kernel'])
    using net = await compile(trainingStep(model, { loss: squares, optimizer }), { backend, batch: rows })
    const kernel = [0.5, -0.25, 0.125, 1]
    await net.variables.set('dense/kernel', kernel)
    const weight = [1, 2]
    await net.run({ a, b, weight: a.map(() => weight) })
    // d/dw[i,j] of the mean over rows and columns of (x w)[j]^2 weight[j].
    const gradient = (x: readonly (readonly number[])[], i: number, j: number): number =>
      x.reduce((sum, row) => {
        const y = (row[0] ?? 0) * (kernel[j] ?? 0) + (row[1] ?? 0) * (kernel[2 + j] ?? 0)
        return sum + (2 * y * (weight[j] ?? 0) * (row[i] ?? 0)) / (2 * rows)
      }, 0)
    const wanted = [0, 1, 2, 3].map((k) => {
      const [i, j] = [k >> 1, k & 1]
      return (kernel[k] ?? 0) - 0.125 * (gradient(a, i, j) + gradient(b, i, j))
    })
    for (const [k, value] of (await net.variables.get('dense/kernel')).entries())
      expect(value).toBeCloseTo(wanted[k] ?? 0, 4)
  })
})

test('only the parts of a shared layer are shared', () => {
  const model = graph('gated', { x: float32('batch', 4, 4, 8) }, ({ x }) => {
    const gate = (y: Value<'float32', 4>, share: boolean) =>
      nn.squeezeExcite(y, { name: 'se', reduced: 2, activation: relu, share })
    return { y: nn.dense(reshape(gate(gate(x, false), true), ['batch', -1]), { name: 'dense', units: 1 }) }
  })
  expect(
    variablesOf(model.at({ batch: 1 }))
      .map(({ attrs }) => attrs.name)
      .sort(),
  ).toEqual(['dense/bias', 'dense/kernel', 'se/expand/bias', 'se/expand/kernel', 'se/reduce/bias', 'se/reduce/kernel'])
})
