/** profile() on TensorFlow: a row for each kernel, in an ordinary run. */
import { expect, test } from 'vitest'
import { createTensorflowBackend } from '../../../src/backends/tensorflow/index.ts'
import { compile } from '../../../src/compile.ts'
import { mul, neg } from '../../../src/ir/functions.ts'
import { graph } from '../../../src/ir/model.ts'
import { float32 } from '../../../src/ir/value.ts'
import { efficientNet } from '../../../src/models/efficientnet.ts'
import { crossEntropy } from '../../../src/passes/train/losses.ts'
import { rmsprop } from '../../../src/passes/train/optimizers.ts'
import { trainingStep } from '../../../src/passes/train/step.ts'
import { tensorflowOrSkip } from '../../support/tensorflow.ts'

const small = efficientNet('b0', {
  classes: 3,
  resolution: 16,
  blocks: [{ kernel: 3, repeats: 2, filters: 8, expand: 2, strides: 2 }],
})
const step = trainingStep(small, { loss: crossEntropy(), optimizer: rmsprop({ learningRate: 0.01 }), emaDecay: 0.9 })
const image = Uint8Array.from({ length: 2 * 16 * 16 * 3 }, (_, i) => (i * 89) % 256)
const feeds = { image, label: [0, 2] }

tensorflowOrSkip('profile() on TensorFlow', () => {
  test('has a row for each kernel, by the path of its node', async () => {
    const backends = [await createTensorflowBackend(), await createTensorflowBackend()]
    for (const backend of backends) {
      using again = await compile(small, { backend })
      expect((await again.profile({ image: image.slice(0, 16 * 16 * 3) })).length).toBeGreaterThan(5)
    }
    using net = await compile(small, { backend: 'tensorflow' })
    const rows = await net.profile({ image: image.slice(0, 16 * 16 * 3) })
    // The convolution of the stem with its bias. On some processors oneDNN also fuses the swish.
    const stem = rows.filter(({ path }) => /^stem(\/|$)/.test(path)).map(({ kernel }) => kernel)
    expect(stem).toContainEqual(expect.stringMatching(/FusedConv2D$/))
    expect(rows.some(({ path }) => path.startsWith('blocks.1/depthwise'))).toBe(true)
    expect(rows.every(({ ms }) => ms >= 0)).toBe(true)
    expect(rows.reduce((sum, { ms }) => sum + ms, 0)).toBeGreaterThan(0)
    const kernels = new Set(rows.map(({ kernel }) => kernel))
    for (const plumbing of ['_Arg', '_Retval', 'Const', 'StatelessIf', 'PartitionedCall'])
      expect(kernels).not.toContain(plumbing)
  })

  test('is an ordinary run: same losses, weights and run numbers', async () => {
    using ran = await compile(step, { backend: 'tensorflow', batch: 2, seed: 3 })
    using profiled = await compile(step, { backend: 'tensorflow', batch: 2, seed: 3 })
    await ran.run(feeds)
    const rows = await profiled.profile(feeds)
    // Updates in branches and shared functions have the path of their variable.
    expect(rows.some(({ path, op }) => path.includes('stem/conv/kernel') && op === 'rmsprop')).toBe(true)
    expect(profiled.runIndex).toBe(1)
    expect(await profiled.variables.get('stem/conv/kernel')).toEqual(await ran.variables.get('stem/conv/kernel'))
    const [a, b] = [await ran.run(feeds), await profiled.run(feeds)]
    expect(await b.loss.data()).toEqual(await a.loss.data())
  })

  test('plan.kernels counts the nodes of the functions without constants', async () => {
    const line = graph('line', { x: float32('batch', 3) }, ({ x }) => ({ y: neg(mul(x, 2)) }))
    using two = await compile(line, { backend: 'tensorflow' })
    expect(two.plan).toMatchObject({ kernels: 2, dispatches: 1 })
  })

  test('a graph that XLA compiles is one row', async () => {
    using net = await compile(small, { backend: 'tensorflow', xla: { tensorflow: 'always' } })
    const rows = await net.profile({ image: image.slice(0, 16 * 16 * 3) })
    expect(rows.filter(({ kernel }) => kernel !== 'XLA')).toEqual([])
    expect(rows.at(-1)?.ms).toBeGreaterThan(0)
  })
})
