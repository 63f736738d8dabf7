/** Training steps that are small enough to compute by hand, and their feeds. */
import { dropout, float32, graph, mean, mul, nn, silu, sub } from '../../src/index.ts'
import type { Model } from '../../src/ir/model.ts'
import type { Signature, TensorType } from '../../src/ir/value.ts'
import { loss } from '../../src/passes/train/losses.ts'
import { sgd } from '../../src/passes/train/optimizers.ts'
import { type StepOptions, trainingStep } from '../../src/passes/train/step.ts'

/** Numbers between -1 and 1, equal in every run. */
export const numbers = (length: number, seed: number): number[] =>
  Array.from({ length }, (_, i) => Math.sin(1 + seed * 7.3 + i * 1.7 + ((i * i) % 11)))
export const rows = (count: number, width: number, seed: number): number[][] =>
  Array.from({ length: count }, (_, i) => numbers(width, seed * 31 + i))

/** The mean squared error of the output `y` [batch,2] to the target `wanted`. The default is gradient descent with rate 0.1. */
export const squaresStep = <I extends Signature>(
  net: Model<I, { readonly y: TensorType<'float32', 2> }>,
  options: Partial<StepOptions> = {},
) =>
  trainingStep(net, {
    loss: loss({ wanted: float32('batch', 2) }, ({ y }, { wanted }) => {
      const off = sub(y, wanted)
      return mean(mul(off, off))
    }),
    optimizer: sgd({ learningRate: 0.1 }),
    ...options,
  })

/** x [batch,3] through a norm, and optionally through dropout, to y [batch,2]. */
export const normedNet = (rate = 0) =>
  graph('normed', { x: float32('batch', 3) }, ({ x }) => {
    const inner = silu(nn.batchNorm(nn.dense(x, { name: 'first', units: 4 }), { name: 'bn', momentum: 0.75 }))
    const y = nn.dense(rate === 0 ? inner : dropout(inner, { rate }), { name: 'second', units: 2 })
    return { y: y as typeof x } // rank 2 and float32, both
  })

/** x [batch,3] directly to y [batch,2]. */
export const plainNet = graph('plain', { x: float32('batch', 3) }, ({ x }) => ({
  y: nn.dense(x, { name: 'dense', units: 2 }),
}))
