/** Mixed precision through compile(): figures, backends without half arithmetic, the environment, and training under it. */
import { afterEach, describe, expect, test, vi } from 'vitest'
import { compile } from '../../src/compile.ts'
import type { MixedPrecision } from '../../src/executable/amp.ts'
import { nodesOf } from '../../src/ir/graph.ts'
import type { Graph } from '../../src/ir/types.ts'
import { efficientNet } from '../../src/models/efficientnet.ts'
import { evaluationStep } from '../../src/passes/train/evaluation.ts'
import { crossEntropy } from '../../src/passes/train/losses.ts'
import { rmsprop, sgd } from '../../src/passes/train/optimizers.ts'
import { type StepOptions, trainingStep } from '../../src/passes/train/step.ts'
import { withTensorflow } from '../support/tensorflow.ts'

afterEach(() => vi.unstubAllEnvs())

const small = efficientNet('b0', {
  classes: 3,
  resolution: 16,
  dropout: 0,
  stochasticDepth: 0,
  blocks: [
    { kernel: 3, repeats: 1, filters: 8, expand: 2, strides: 1 },
    { kernel: 3, repeats: 2, filters: 8, expand: 2, strides: 2 },
  ],
})
const image = Uint8Array.from({ length: 16 * 16 * 3 }, (_, i) => (i * 89) % 256)
const emulated = { backend: 'tfjs-wasm', amp: { emulate: true } } as const

describe('inference', () => {
  test('reports its decisions; a program without it reports null', async () => {
    using net = await compile(small, { backend: 'reference', amp: true })
    using plain = await compile(small, { backend: 'reference' })
    expect(net.amp).toEqual({
      casts: 1,
      absorbed: 1,
      weightCasts: expect.any(Number),
      lowerBound: 1,
      strategy: 'minCut',
      dtype: 'float16',
      warnings: [],
      emulated: false,
      note: null,
    })
    expect(plain.amp).toBeNull()
    const graph = net.passes.at(-1)?.after as Graph
    expect(nodesOf(graph).some((n) => n.types.some((t) => t.dtype === 'float16'))).toBe(true)
  })

  test('half copies of weights are computed once, in the step `prepare`; master weights stay float32', async () => {
    using net = await compile(small, { backend: 'reference', amp: true })
    const casts = (plan: string): number => {
      const graph = net.passes.findLast((r) => r.plan === plan)?.after
      return nodesOf(graph as Graph).filter((n) => n.op === 'cast' && n.attrs.to === 'float16').length
    }
    // On the reference backend composites are single nodes, without casts inside.
    expect(casts('run')).toBe(1)
    expect(casts('prepare')).toBeGreaterThan(20)
    expect(net.variables.names().every((name) => net.variables.describe(name).dtype === 'float32')).toBe(true)
  })
  test.each(['float16', 'bfloat16'] as const)(
    'in %s it is close to float32, and TensorFlow and emulation on tfjs agree with the reference',
    async (dtype) => {
      using plain = await compile(small, { backend: 'reference' })
      using reference = await compile(small, { backend: 'reference', amp: { dtype } })
      using wasm = await compile(small, { backend: 'tfjs-wasm', amp: { dtype, emulate: true } })
      const logits = async (net: typeof plain) => [...(await (await net.run({ image })).logits.data())]
      const want = await logits(plain)
      const halves = [await logits(reference), await logits(wasm)]
      for (const backend of withTensorflow) {
        using real = await compile(small, { backend, amp: { dtype } })
        expect(real.amp).toMatchObject({ emulated: false, dtype, casts: 1, lowerBound: 1 })
        halves.push(await logits(real))
      }
      const scale = Math.max(...want.map(Math.abs))
      // Units in the last place of the largest logit, after about a dozen roundings.
      const unit = scale * (dtype === 'float16' ? 2 ** -11 : 2 ** -8)
      for (const half of halves) {
        want.forEach((w, i) => expect(Math.abs((half[i] ?? Number.NaN) - w)).toBeLessThan(8 * unit))
        expect(half).not.toEqual(want)
      }
      expect(wasm.amp).toMatchObject({ emulated: true, dtype })
    },
  )

  test('a backend without half arithmetic rejects it, unless emulation is enabled', async () => {
    await expect(compile(small, { backend: 'tfjs-wasm', amp: true })).rejects.toMatchObject({
      code: 'EF405',
      message: 'mixed precision needs float16 arithmetic, and tfjs-wasm computes in float32',
      hint: expect.stringContaining('--emulate-half'),
    })
  })

  test('an executable with it shares the variables of one without', async () => {
    using plain = await compile(small, { backend: 'tfjs-wasm' })
    using half = await compile(small, { ...emulated, variables: plain.variables })
    await plain.variables.set('head/dense/bias', [1, 2, 3])
    expect([...(await half.variables.get('head/dense/bias'))]).toEqual([1, 2, 3])
    const { logits } = await half.run({ image })
    expect((await logits.data())[2]).toBeGreaterThan(2)
  })

  test('also op by op, without optimization', async () => {
    using net = await compile(small, { backend: 'reference', amp: true, xla: false })
    expect(net.amp).toMatchObject({ casts: 1, lowerBound: 1 })
    await net.run({ image })
  })
})

test('a kept layer that inference removes is not an error', async () => {
  const net = efficientNet('b0', {
    classes: 3,
    resolution: 16,
    stochasticDepth: 0.5,
    blocks: [{ kernel: 3, repeats: 2, filters: 8, expand: 2, strides: 1 }],
  })
  const amp = { keep: ['blocks.*/drop'] }
  using trainer = await compile(trainingStep(net, { loss: crossEntropy(), optimizer: sgd({ learningRate: 0.1 }) }), {
    backend: 'reference',
    batch: 2,
    amp,
  })
  expect(trainer.amp?.casts).toBeGreaterThan(2)
  using tester = await compile(evaluationStep(net, { loss: crossEntropy() }), {
    backend: 'reference',
    batch: 2,
    amp,
    variables: trainer.variables,
  })
  expect(tester.amp).toMatchObject({ casts: 1, lowerBound: 1 })
})

describe('the environment', () => {
  test('adds to the lists', async () => {
    vi.stubEnv('EFFUSE_AMP_DENY', 'silu, mean')
    vi.stubEnv('EFFUSE_AMP_KEEP', 'head/dense')
    using net = await compile(small, { backend: 'reference', amp: true })
    const graph = net.passes.find((r) => r.name === 'amp')?.after as Graph
    const dtypes = (op: string) =>
      new Set(nodesOf(graph).flatMap((n) => (n.op === op ? n.types.map((t) => t.dtype) : [])))
    expect([...dtypes('silu'), ...dtypes('mean'), ...dtypes('matmul')]).toEqual(['float32', 'float32', 'float32'])
  })
  test('an op that the options allow and the environment denies is an error', async () => {
    vi.stubEnv('EFFUSE_AMP_DENY', 'exp')
    await expect(compile(small, { backend: 'reference', amp: { allow: ['exp'] } })).rejects.toMatchObject({
      code: 'EF403',
      message: expect.stringContaining('the op "exp" is in two lists'),
    })
  })
  test('has no effect without mixed precision', async () => {
    vi.stubEnv('EFFUSE_AMP_DENY', 'nonsense')
    using net = await compile(small, { backend: 'reference' })
    expect(net.amp).toBeNull()
  })
})

describe('training', () => {
  const step = (options: Partial<StepOptions> = {}) =>
    trainingStep(small, {
      // Label smoothing keeps gradients nonzero after the pictures are learned.
      loss: crossEntropy({ labelSmoothing: 0.1 }),
      optimizer: rmsprop({ learningRate: 0.002, initialMeanSquare: 1 }),
      ...options,
    })
  const hasScale = async (amp: boolean | MixedPrecision, options: Partial<StepOptions> = {}) => {
    using trainer = await compile(step(options), { backend: 'reference', batch: 2, amp })
    return trainer.variables.names('lossScale/*').length > 0
  }
  test("'auto' scales the loss in float16, but not in bfloat16 or without amp; the environment disables it", async () => {
    expect(await hasScale(true)).toBe(true)
    expect(await hasScale({ dtype: 'bfloat16' })).toBe(false)
    expect(await hasScale(false)).toBe(false)
    expect(await hasScale({ dtype: 'bfloat16' }, { lossScale: 'dynamic' })).toBe(true)
    vi.stubEnv('EFFUSE_AMP_LOSS_SCALE', '0')
    expect(await hasScale(true)).toBe(false)
    expect(await hasScale(true, { lossScale: 'dynamic' })).toBe(true)
    vi.stubEnv('EFFUSE_AMP_LOSS_SCALE', 'off')
    await expect(hasScale(true)).rejects.toMatchObject({ code: 'EF403' })
  })

  const images = Uint8Array.from({ length: 6 * 16 * 16 * 3 }, (_, i) => {
    const pixel = Math.floor(i / 3) % 256
    const kind = Math.floor(i / (3 * 256)) % 3
    return kind === i % 3 ? 200 + ((pixel * 7) % 55) : (pixel * 13) % 60
  })
  const label = [0, 1, 2, 0, 1, 2]

  test('float16 on tfjs-wasm: learns, skips a step that overflows, and continues with half the scale', async () => {
    using trainer = await compile(step({ emaDecay: 0.9 }), { ...emulated, batch: 6 })
    expect(trainer.amp).toMatchObject({ casts: 2, lowerBound: 2, dtype: 'float16', emulated: true })
    const run = async () => {
      const results = await trainer.run({ image: images, label })
      const [loss, finite, updated, scale] = [
        await results.loss.item(),
        await results.finite.item(),
        await results.updated.item(),
        await results.lossScale.item(),
      ]
      for (const result of Object.values(results)) result.dispose()
      return { loss, finite, updated, scale }
    }
    const everything = async () =>
      Object.fromEntries(
        await Promise.all(
          trainer.variables
            .names('!lossScale/*')
            .map(
              async (name) =>
                [name, await trainer.variables.get(name, trainer.variables.describe(name).dtype)] as const,
            ),
        ),
      )
    const first = await run()
    expect(first).toMatchObject({ finite: true, updated: true, scale: 2 ** 15 })
    // Small batch norms amplify: occasionally a step overflows by itself.
    let good = 0
    for (let n = 0; n < 10; n++) {
      if ((await run()).finite) good++
    }
    expect(good).toBeGreaterThan(6)

    // A gradient of the logits of about 1/6 overflows with scales from 2^19.
    await trainer.variables.set('lossScale/scale', [2 ** 26])
    const before = await everything()
    expect(await run()).toMatchObject({ finite: false, updated: false, scale: 2 ** 26 })
    expect(await everything()).toEqual(before)
    expect([...(await trainer.variables.get('lossScale/scale'))]).toEqual([2 ** 25])

    let skipped = 1
    let updates = 0
    let last = first
    while (updates < 12) {
      last = await run()
      if (last.finite) updates++
      else skipped++
      expect(skipped).toBeLessThan(16)
    }
    expect(skipped).toBeGreaterThan(3)
    expect(last.loss).toBeLessThan(first.loss / 1.5)
    expect([...(await trainer.variables.get('lossScale/scale'))]).toEqual([2 ** (26 - skipped)])
  })

  test('with accumulation: the update has no casts, and gradients are added in float32', async () => {
    using trainer = await compile(step({ accumulate: 2, emaDecay: 0.9 }), { backend: 'reference', batch: 3, amp: true })
    expect(trainer.amp).toMatchObject({ casts: 2, lowerBound: 2 })
    expect(trainer.passes.find((r) => r.name === 'amp' && r.plan === 'apply')?.changed).toBe(false)
    const dtypes = trainer.variables.names('accumulate/**').map((name) => trainer.variables.describe(name).dtype)
    expect(new Set(dtypes)).toEqual(new Set(['float32', 'int32', 'bool']))
    // A scale with which these gradients do not overflow at first.
    await trainer.variables.set('lossScale/scale', [256])
    const half = (part: number) => ({
      image: images.subarray(part * 2304, (part + 1) * 2304),
      label: label.slice(0, 3),
    })
    expect(await (await trainer.run(half(0))).updated.item()).toBe(false)
    expect(await (await trainer.run(half(1))).updated.item()).toBe(true)
  })

  test('bfloat16 on tfjs-wasm: learns without a scale', async () => {
    using trainer = await compile(step(), { backend: 'tfjs-wasm', batch: 6, amp: { dtype: 'bfloat16', emulate: true } })
    const losses: number[] = []
    for (let n = 0; n < 20; n++) {
      const results = await trainer.run({ image: images, label })
      losses.push(await results.loss.item())
      expect(await results.finite.item()).toBe(true)
      for (const result of Object.values(results)) result.dispose()
    }
    expect(losses.at(-1)).toBeLessThan((losses[0] ?? 0) / 1.5)
  })

  test('the first step updates weights like float32, within the precision of half', async () => {
    const once = { optimizer: sgd({ learningRate: 0.1 }) }
    using plain = await compile(step(once), { backend: 'reference', batch: 6 })
    using half = await compile(step(once), { backend: 'reference', batch: 6, amp: true })
    const start = await plain.variables.get('head/dense/kernel')
    await plain.run({ image: images, label })
    await half.run({ image: images, label })
    const [want, got] = [await plain.variables.get('head/dense/kernel'), await half.variables.get('head/dense/kernel')]
    const moves = [...want].map((w, i) => Math.abs(w - (start[i] ?? 0)))
    const largest = Math.max(...moves)
    expect(largest).toBeGreaterThan(1e-3)
    want.forEach((w, i) => expect(Math.abs((got[i] ?? Number.NaN) - w)).toBeLessThan(0.02 * largest))
  })
})
