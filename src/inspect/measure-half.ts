/** Does bfloat16 pay on this processor under TensorFlow? A step of training in both types, taken in turns. */
import { compile } from '../compile.ts'
import type { Backend } from '../backends/backend.ts'
import { type HalfTimes, keepHalfTimes } from '../backends/tensorflow/half-speed.ts'
import type { Executable } from '../executable/executable.ts'
import { add, mean, silu } from '../ir/functions.ts'
import { graph } from '../ir/model.ts'
import * as nn from '../ir/nn.ts'
import { float32 } from '../ir/value.ts'
import { crossEntropy } from '../passes/train/losses.ts'
import { sgd } from '../passes/train/optimizers.ts'
import { trainingStep } from '../passes/train/step.ts'
import { benchFeeds } from './bench-feeds.ts'

const [batch, size, filters, expanded, classes, rounds] = [8, 64, 24, 144, 10, 8]

/** Blocks as EfficientNets have them. Networks of large plain convolutions gain more. */
const net = graph('half-speed', { image: float32('batch', size, size, 3) }, ({ image }) => {
  let x = nn.conv2d(image, { filters, kernel: 3, strides: 2, name: 'stem' })
  for (const block of ['a', 'b', 'c']) {
    const wide = nn.conv2d(x, { filters: expanded, kernel: 1, name: `${block}/expand` })
    const active = silu(nn.batchNorm(wide, { name: `${block}/expand/bn` }))
    const deep = nn.depthwiseConv2d(active, { kernel: 3, name: `${block}/depthwise` })
    const again = silu(nn.batchNorm(deep, { name: `${block}/depthwise/bn` }))
    const scaled = nn.squeezeExcite(again, { reduced: 6, activation: silu, name: `${block}/se` })
    const narrow = nn.conv2d(scaled, { filters, kernel: 1, name: `${block}/project` })
    x = add(x, nn.batchNorm(narrow, { name: `${block}/project/bn` }))
  }
  return { logits: nn.dense(mean(x, [1, 2]), { units: classes, name: 'head' }) }
})

/**
 * Measures it with a backend on TensorFlow's CPU, some seconds, and keeps the result for `amp: true` of backends that are opened later.
 */
export const measureHalf = async (backend: Backend): Promise<HalfTimes> => {
  const step = trainingStep(net, { loss: crossEntropy(), optimizer: sgd({ learningRate: 0.01 }) })
  const feeds = benchFeeds(step.at({ batch }))
  const run = async (executable: Executable): Promise<number> => {
    const start = performance.now()
    const results = Object.values(await executable.run(feeds))
    for (const result of results) {
      await result.data()
      result.dispose()
    }
    return performance.now() - start
  }
  using whole = await compile(step, { backend, batch })
  using half = await compile(step, { backend, batch, amp: { dtype: 'bfloat16' } })
  const best = { float32: Number.POSITIVE_INFINITY, bfloat16: Number.POSITIVE_INFINITY }
  // The first round plans and allocates.
  for (let round = 0; round <= rounds; round++)
    for (const [dtype, executable] of [
      ['float32', whole],
      ['bfloat16', half],
    ] as const) {
      const ms = await run(executable as unknown as Executable) // feeds are made from its own inputs
      if (round > 0) best[dtype] = Math.min(best[dtype], ms)
    }
  keepHalfTimes(backend.fingerprint, best)
  return best
}
