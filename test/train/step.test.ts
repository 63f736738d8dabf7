/** The training step as a graph: its results, the state after a step that is not finite, and agreement of backends. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { compile } from '../../src/compile.ts'
import { Builder } from '../../src/ir/build.ts'
import { graph } from '../../src/ir/model.ts'
import { mean, mul, sub } from '../../src/ir/functions.ts'
import { interpret } from '../../src/ir/interpret.ts'
import * as nn from '../../src/ir/nn.ts'
import { float32 } from '../../src/ir/value.ts'
import { efficientNet } from '../../src/models/efficientnet.ts'
import { evaluationStep } from '../../src/passes/train/evaluation.ts'
import { crossEntropy, loss } from '../../src/passes/train/losses.ts'
import { adam, adamw, type Optimizer, rmsprop, sgd } from '../../src/passes/train/optimizers.ts'
import {
  cosine,
  emitSchedule,
  exponential,
  piecewise,
  type Schedule,
  scheduleAt,
  warmup,
} from '../../src/passes/train/schedules.ts'
import { type StepOptions, trainingStep } from '../../src/passes/train/step.ts'

const linear = graph('linear', { x: float32('batch', 2) }, ({ x }) => ({ y: nn.dense(x, { name: 'dense', units: 1 }) }))
const step = (options: Partial<StepOptions> = {}) =>
  trainingStep(linear, {
    loss: loss({ wanted: float32('batch', 1) }, ({ y }, { wanted }) => {
      const off = sub(y, wanted)
      return mean(mul(off, off))
    }),
    optimizer: sgd({ learningRate: 0.1 }),
    ...options,
  })
const x = [
  [1, 2],
  [3, -1],
  [0.5, 0.25],
]
const wanted = [[1], [2], [3]]
const backend = 'reference'

describe('one step', () => {
  test('gradient descent follows the negative gradient of the mean squared error, computed by hand', async () => {
    using net = await compile(step(), { backend, batch: 3 })
    await net.variables.set('dense/kernel', [0.5, -0.25])
    await net.variables.set('dense/bias', [0.125])
    const off = x.map(([a = 0, b = 0], i) => 0.5 * a - 0.25 * b + 0.125 - (wanted[i]?.[0] ?? 0))
    const mean = (f: (i: number) => number): number => (2 / 3) * off.reduce((sum, o, i) => sum + o * f(i), 0)
    const results = await net.run({ x, wanted })
    expect(await results.loss.item()).toBeCloseTo(off.reduce((sum, o) => sum + o * o, 0) / 3, 6)
    expect(await results.finite.item()).toBe(true)
    expect(await results.updated.item()).toBe(true)
    expect(await results.learningRate.item()).toBeCloseTo(0.1, 7)
    const [k0 = 0, k1 = 0] = await net.variables.get('dense/kernel')
    expect(k0).toBeCloseTo(0.5 - 0.1 * mean((i) => x[i]?.[0] ?? 0), 6)
    expect(k1).toBeCloseTo(-0.25 - 0.1 * mean((i) => x[i]?.[1] ?? 0), 6)
    expect((await net.variables.get('dense/bias'))[0]).toBeCloseTo(0.125 - 0.1 * mean(() => 1), 6)
    expect(await net.variables.get('step', 'int32')).toEqual(Int32Array.of(1))
  })

  test('weight decay: in the loss and in the gradient; clipping: the norm of all gradients together', async () => {
    using plain = await compile(step(), { backend, batch: 3 })
    using decaying = await compile(step({ weightDecay: 0.25 }), { backend, batch: 3 })
    using clipped = await compile(step({ clipNorm: 0.5 }), { backend, batch: 3 })
    const start = await plain.variables.get('dense/kernel')
    const squares = start.reduce((sum, w) => sum + w * w, 0)
    const [a, b] = [await plain.run({ x, wanted }), await decaying.run({ x, wanted })]
    await clipped.run({ x, wanted })
    expect(await b.loss.item()).toBeCloseTo((await a.loss.item()) + 0.25 * squares, 5)
    expect(await b.dataLoss.item()).toBe(await a.dataLoss.item())
    const [moved, decayed] = [await plain.variables.get('dense/kernel'), await decaying.variables.get('dense/kernel')]
    moved.forEach((w, i) => expect(decayed[i]).toBeCloseTo(w - 0.1 * 2 * 0.25 * (start[i] ?? 0), 6))
    const delta = [...start.map((w, i) => w - (moved[i] ?? 0)), -((await plain.variables.get('dense/bias'))[0] ?? 0)]
    const norm = Math.hypot(...delta) / 0.1
    const small = await clipped.variables.get('dense/kernel')
    small.forEach((w, i) =>
      expect((start[i] ?? 0) - w).toBeCloseTo(((start[i] ?? 0) - (moved[i] ?? 0)) * Math.min(1, 0.5 / norm), 6),
    )
    expect(norm).toBeGreaterThan(0.5)
  })

  test('averages start at the initial values and follow min(decay, (1+t)/(10+t))', async () => {
    using net = await compile(step({ emaDecay: 0.9999 }), { backend, batch: 3, seed: 4 })
    let average = [...(await net.variables.get('dense/kernel'))]
    expect([...(await net.variables.get('ema/dense/kernel'))]).toEqual(average)
    for (let t = 1; t <= 3; t++) {
      await net.run({ x, wanted })
      const now = await net.variables.get('dense/kernel')
      const d = Math.min(0.9999, (1 + t) / (10 + t))
      average = average.map((a, i) => a + (1 - d) * ((now[i] ?? 0) - a))
      ;(await net.variables.get('ema/dense/kernel')).forEach((a, i) => expect(a).toBeCloseTo(average[i] ?? 0, 5))
    }
  })
})

describe('loss scale', () => {
  test.each([2 ** -4, 2 ** 10, 'dynamic'] as const)('%s: in float32 the same bits as without', async (lossScale) => {
    const net = efficientNet('b0', {
      classes: 3,
      resolution: 8,
      dropout: 0,
      stochasticDepth: 0,
      blocks: [{ kernel: 3, repeats: 1, filters: 8, expand: 2, strides: 1 }],
    })
    const of = (scale: StepOptions['lossScale']) =>
      trainingStep(net, {
        loss: crossEntropy({ labelSmoothing: 0.1 }),
        optimizer: rmsprop({ learningRate: 0.01 }),
        emaDecay: 0.99,
        lossScale: scale,
      })
    using without = await compile(of('none'), { backend, batch: 2 })
    using scaled = await compile(of(lossScale), { backend, batch: 2 })
    const image = Uint8Array.from({ length: 2 * 8 * 8 * 3 }, (_, i) => (i * 89) % 256)
    for (let n = 0; n < 2; n++) {
      await without.run({ image, label: [0, 2] })
      await scaled.run({ image, label: [0, 2] })
    }
    for (const name of without.variables.names()) {
      const dtype = without.variables.describe(name).dtype
      expect(await scaled.variables.get(name, dtype)).toEqual(await without.variables.get(name, dtype))
    }
  })

  test('a step that is not finite changes only a dynamic scale, which halves; the next step works', async () => {
    const net = efficientNet('b0', {
      classes: 3,
      resolution: 8,
      blocks: [{ kernel: 3, repeats: 1, filters: 8, expand: 1, strides: 1 }],
    })
    using trainer = await compile(
      trainingStep(net, {
        loss: crossEntropy(),
        optimizer: rmsprop({ learningRate: 0.01 }),
        emaDecay: 0.9,
        lossScale: 'dynamic',
      }),
      { backend, batch: 2 },
    )
    const all = async () =>
      Object.fromEntries(
        await Promise.all(
          trainer.variables
            .names('!lossScale/*')
            .map(async (name) => [
              name,
              [...(await trainer.variables.get(name, trainer.variables.describe(name).dtype))],
            ]),
        ),
      )
    const before = await all()
    const bad = new Float32Array(2 * 8 * 8 * 3).fill(1)
    bad[7] = Number.NaN
    const results = await trainer.run({ image: bad, label: [0, 1] })
    expect(await results.finite.item()).toBe(false)
    expect(await results.lossScale.item()).toBe(2 ** 15)
    expect(await all()).toEqual(before)
    expect(await trainer.variables.get('lossScale/scale')).toEqual(Float32Array.of(2 ** 14))
    const good = await trainer.run({ image: new Float32Array(2 * 8 * 8 * 3).map((_, i) => i % 256), label: [0, 1] })
    expect(await good.finite.item()).toBe(true)
    expect(await trainer.variables.get('step', 'int32')).toEqual(Int32Array.of(1))
    expect(await all()).not.toEqual(before)
  })
})

describe('optimizers learn', () => {
  const all: readonly (readonly [string, Optimizer])[] = [
    ['sgd', sgd({ learningRate: 0.1 })],
    ['momentum', sgd({ learningRate: 0.03, momentum: 0.9 })],
    ['nesterov', sgd({ learningRate: 0.03, momentum: 0.9, nesterov: true })],
    ['rmsprop', rmsprop({ learningRate: 0.01, initialMeanSquare: 1 })],
    ['adam', adam({ learningRate: 0.1 })],
    ['adamw', adamw({ learningRate: 0.1, weightDecay: 0 })],
  ]
  test.each(all)('%s fits a line on tfjs-wasm and on the reference', async (_name, optimizer) => {
    using wasm = await compile(step({ optimizer }), { backend: 'tfjs-wasm', batch: 3 })
    using reference = await compile(step({ optimizer }), { backend, batch: 3 })
    const first = await (await reference.run({ x, wanted })).loss.item()
    await wasm.run({ x, wanted })
    for (let n = 0; n < 60; n++) {
      const results = [await reference.run({ x, wanted }), await wasm.run({ x, wanted })]
      if (n === 3) expect(await results[1]?.loss.item()).toBeCloseTo((await results[0]?.loss.item()) ?? Number.NaN, 4)
      for (const r of results) for (const value of Object.values(r)) value.dispose()
    }
    expect(await (await wasm.run({ x, wanted })).loss.item()).toBeLessThan(first / 20)
  })
})

describe('schedules', () => {
  const rates: readonly Schedule[] = [
    cosine({ initial: 0.5, steps: 100 }),
    warmup(cosine({ initial: 0.016, steps: 90 }), { steps: 10 }),
    exponential({ initial: 0.1, rate: 0.97, every: 7 }),
    exponential({ initial: 0.1, rate: 0.97, every: 7, staircase: false }),
    piecewise({ boundaries: [10, 50], values: [1, 0.1, 0.01] }),
  ]
  test('the graph and the host give the same rate at every step', () => {
    fc.assert(
      fc.property(fc.constantFrom(...rates), fc.nat(150), (schedule, at) => {
        const b = new Builder('rate')
        const rate = emitSchedule(schedule, b.input('step', { dtype: 'int32', shape: [] }))
        const { outputs } = interpret(b.finish({ rate }), { inputs: { step: [at] } })
        expect(outputs['rate']?.data[0]).toBeCloseTo(scheduleAt(schedule, at), 5)
      }),
    )
  })
  test('ends', () => {
    expect(rates.slice(0, 2).map((s) => [scheduleAt(s, 0), scheduleAt(s, 1000)])).toEqual([
      [0.5, 0],
      [0, 0],
    ])
    expect(scheduleAt(rates[1] as Schedule, 10)).toBeCloseTo(0.016, 12)
  })
})

describe('undefined options equal omitted ones', () => {
  test('of optimizers and of losses', () => {
    expect(rmsprop({ learningRate: 1, rho: undefined })).toEqual(rmsprop({ learningRate: 1 }))
    expect(adamw({ learningRate: 1, weightDecay: undefined })).toEqual(adamw({ learningRate: 1 }))
    expect(() => crossEntropy({ labelSmoothing: undefined })).not.toThrow()
  })
})

describe('mistakes', () => {
  const model = efficientNet('b0', {
    classes: 3,
    resolution: 8,
    blocks: [{ kernel: 3, repeats: 1, filters: 8, expand: 1, strides: 1 }],
  })
  test.each<[string, () => unknown, string, RegExp]>([
    [
      'no batch',
      () => compile(step(), { backend }),
      'EF403',
      /linear\.train is a training step and needs the option "batch"/,
    ],
    [
      'scale',
      () => step({ lossScale: 3 }),
      'EF403',
      /option "lossScale" must be 'auto', 'dynamic', 'none' or a power of two from 2\^-126 to 2\^127, got 3/,
    ],
    ['scale beyond float32', () => step({ lossScale: 2 ** 128 }), 'EF403', /2\^127, got 3.402823669209385e\+38/],
    ['scale below float32', () => step({ lossScale: 2 ** -127 }), 'EF403', /2\^127, got 5.87747/],
    ['decay', () => step({ emaDecay: 1 }), 'EF403', /option "emaDecay" must be a number between 0 and 1, got 1/],
    [
      'smoothing',
      () => crossEntropy({ labelSmoothing: 1 }),
      'EF403',
      /option "labelSmoothing" must be a number from 0 to below 1, got 1/,
    ],
    [
      'no logits',
      () => trainingStep(linear as never, { loss: crossEntropy() as never, optimizer: sgd({ learningRate: 1 }) }),
      'EF111',
      /cross-entropy needs an output "logits"/,
    ],
    [
      'rho',
      () => rmsprop({ learningRate: 1, rho: 1 }),
      'EF403',
      /option "rmsprop\.rho" must be a number from 0 to below 1, got 1/,
    ],
    [
      'epsilon',
      () => adam({ learningRate: 1, epsilon: -1 }),
      'EF403',
      /option "adam\.epsilon" must be a number of at least 0, got -1/,
    ],
    [
      'no setting',
      () => sgd({ learningRate: 1, rho: 0.9 } as never),
      'EF403',
      /sgd\(\) has no option "rho"; it has learningRate, momentum, nesterov/,
    ],
    ['frozen', () => step({ frozen: ['dense/*', 'dense/kernl'] }), 'EF403', /no variable fits the glob "dense\/kernl"/],
    [
      'all frozen',
      () => step({ frozen: ['**'] }),
      'EF403',
      /there is nothing to train: all of the variables that the loss depends on are frozen/,
    ],
    [
      'a misspelt option',
      () => step({ weigthDecay: 1 } as never),
      'EF403',
      /trainingStep\(\) has no option "weigthDecay"/,
    ],
    ['a number as text', () => step({ weightDecay: '1' as never }), 'EF403', /"weightDecay" must be .*, got "1"/],
    [
      'no optimizer',
      () => step({ optimizer: undefined as never }),
      'EF403',
      /needs the option "optimizer": an optimizer/,
    ],
    [
      'a name for an optimizer',
      () => step({ optimizer: 'adam' as never }),
      'EF403',
      /"optimizer" must be .*, got "adam"/,
    ],
    ['no loss', () => trainingStep(model, {} as never), 'EF403', /trainingStep\(\) needs the option "loss"/],
    [
      'no options',
      () => trainingStep(model, undefined as never),
      'EF403',
      /takes an object of options, .*, got undefined/,
    ],
    [
      'a function for a loss',
      () => evaluationStep(model, { loss: (() => 1) as never }),
      'EF403',
      /"loss" must be a loss/,
    ],
    ['no model', () => trainingStep(3 as never, {} as never), 'EF403', /trainingStep\(\) takes a model, got 3/],
    [
      'an unknown kind of labels',
      () => crossEntropy({ labels: 'idx' as never }),
      'EF403',
      /"labels" must be 'index' or/,
    ],
    ['a misspelt smoothing', () => crossEntropy({ labelSmothing: 0.1 } as never), 'EF403', /no option "labelSmothing"/],
    // In float32 the first two are infinite, and the last is 0, so that no gradient would remain.
    ['endless decay', () => step({ weightDecay: Infinity }), 'EF403', /option "weightDecay" must be a number of at/],
    ['too much decay', () => step({ weightDecay: 1e39 }), 'EF403', /option "weightDecay" must be a number of at/],
    ['no length', () => step({ clipNorm: 1e-50 }), 'EF403', /option "clipNorm" must be a positive number, got 1e-50/],
    ['a glob', () => step({ frozen: 'dense/*' as never }), 'EF403', /option "frozen" must be a list of globs/],
    [
      'an unknown optimizer',
      () => step({ optimizer: { kind: 'lion', learningRate: { kind: 'constant', value: 1 } } as never }),
      'EF403',
      /an optimizer is one of rmsprop, sgd, adam, got \{"kind":"lion"/,
    ],
    [
      'an optimizer without its settings',
      () => step({ optimizer: { kind: 'sgd', learningRate: { kind: 'constant', value: 1 } } as never }),
      'EF403',
      /the optimizer sgd needs the option "momentum": a number from 0 to below 1/,
    ],
    ['a loss without a function', () => loss(3 as never, undefined as never), 'EF403', /loss\(\) takes the types/],
    [
      'a loss that gives nothing',
      () => trainingStep(model, { loss: loss({}, () => undefined as never), optimizer: sgd({ learningRate: 1 }) }),
      'EF111',
      /a loss is a float32 scalar of the graph, got undefined/,
    ],
    ['no rate', () => sgd(undefined as never), 'EF403', /sgd\(\) takes an object of options, learningRate/],
    ['warm-up of no length', () => warmup(0.1, undefined as never), 'EF403', /"steps" of warmup\(\) must be/],
    ['piecewise', () => piecewise({ boundaries: [1], values: [1] }), 'EF403', /needs 2 values, got 1/],
    [
      'labels of the model',
      () =>
        trainingStep(model, {
          loss: loss({ image: float32('batch', 1) }, ({ logits }) => logits as never) as never,
          optimizer: sgd({ learningRate: 1 }),
        }),
      'EF107',
      /an input "image", which the model has already/,
    ],
  ])('%s', async (_name, make, code, message) => {
    await expect((async () => make())()).rejects.toMatchObject({ code, message: expect.stringMatching(message) })
  })
})
