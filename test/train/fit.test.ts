/** The training loop: its events, its checkpoints, and resuming. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { EffuseError } from '../../src/ir/diagnostics.ts'
import { mean, mul } from '../../src/ir/functions.ts'
import { graph } from '../../src/ir/model.ts'
import * as nn from '../../src/ir/nn.ts'
import { float32 } from '../../src/ir/value.ts'
import { readSafetensors } from '../../src/io/safetensors.ts'
import { crossEntropy } from '../../src/passes/train/losses.ts'
import { adam, sgd } from '../../src/passes/train/optimizers.ts'
import { cosine } from '../../src/passes/train/schedules.ts'
import { memoryStore } from '../../src/train/checkpoint-store.ts'
import type { Stage, TrainingEvent } from '../../src/train/events.ts'
import { fit } from '../../src/train/fit.ts'
import type { Batch, DataSource } from '../../src/train/source.ts'
import { stagesOf } from '../../src/train/stages.ts'
import { pictures, smallNet } from './small-data.ts'

const backend = 'tfjs-wasm'
const data = { train: pictures(60, { canSkip: true, isShuffled: true }), test: pictures(21) }

describe('a run', () => {
  test('learns, and reports each step, evaluation and checkpoint in order', async () => {
    const events: TrainingEvent[] = []
    const checkpoints = memoryStore()
    using run = await fit(smallNet(), {
      data,
      loss: crossEntropy({ labelSmoothing: 0.1 }),
      optimizer: ({ steps }) => adam({ learningRate: cosine({ initial: 0.02, steps }) }),
      emaDecay: 0.9,
      epochs: 4,
      batch: 10,
      checkpoints,
      backend,
      onEvent: (event) => events.push(event),
    })
    expect(run).toMatchObject({ reason: 'finished', epochs: 4, steps: 24, skippedSteps: 0 })
    expect(run.emaTop1).toBeGreaterThan(0.9)
    expect(events.map((event) => event.kind)).toEqual([
      'stage',
      ...Array.from({ length: 4 }, () => [...Array<string>(6).fill('step'), 'evaluation', 'checkpoint']).flat(),
    ])
    expect((await checkpoints.list()).toSorted()).toEqual([
      'best.safetensors',
      'step-00000012.safetensors',
      'step-00000018.safetensors',
      'step-00000024.safetensors',
    ])
    expect(await run.variables.get('step', 'int32')).toEqual(Int32Array.of(24))
  }, 300_000)
})

const options = {
  data,
  loss: crossEntropy(),
  optimizer: sgd({ learningRate: 0.01 }),
  epochs: 1,
  batch: 10,
  backend,
} as const

describe('stages', () => {
  test('have the steps of the reference', () => {
    const sizes = (count: number, from: number, to: number) =>
      stagesOf({ count, from: { size: from }, to: { size: to } }, 10).map(({ size, firstEpoch, epochs }) => [
        size,
        firstEpoch,
        epochs,
      ])
    expect(sizes(4, 128, 300)).toEqual([
      [171, 0, 2],
      [214, 2, 2],
      [257, 4, 2],
      [300, 6, 4],
    ])
    const linear = stagesOf({ count: 3, from: { mixup: 0, augmentation: 5 }, to: { mixup: 0.2, augmentation: 10 } }, 3)
    expect(linear.map(({ mixup, augmentation }) => [mixup, augmentation])).toEqual([
      [0, 5],
      [0.1, 7.5],
      [0.2, 10],
    ])
    expect(stagesOf(undefined, 5, { mixup: 0.3 })).toMatchObject([{ count: 1, epochs: 5, mixup: 0.3, size: undefined }])
  })

  test('change size and dropout with the same variables; the step and the random numbers continue', async () => {
    const events: TrainingEvent[] = []
    const asked: (readonly number[] | undefined)[] = []
    const train: DataSource = {
      ...data.train,
      batches: (request) => {
        asked.push(request.size)
        return data.train.batches(request)
      },
    }
    using run = await fit((stage: Stage) => smallNet({ resolution: stage.size, dropout: stage.dropout }), {
      ...options,
      data: { train, test: data.test },
      epochs: 4,
      stages: { count: 3, from: { size: 4, dropout: 0.1 }, to: { size: 16, dropout: 0.3 } },
      onEvent: (event) => events.push(event),
    })
    expect(run.steps).toBe(24)
    expect(asked).toEqual([
      [8, 8],
      [12, 12],
      [16, 16],
      [16, 16],
    ])
    expect(events.filter((e) => e.kind === 'stage').map((e) => [e.stage.size, e.epoch, e.step])).toEqual([
      [8, 0, 0],
      [12, 1, 6],
      [16, 2, 12],
    ])
    expect(await run.variables.get('step', 'int32')).toEqual(Int32Array.of(24))
  })

  test('keep the variables: a model with other variables is rejected, and all differences are listed', async () => {
    const block = { kernel: 3, repeats: 1, filters: 8, expand: 1, strides: 1 }
    const run = fit(
      (stage: Stage) => smallNet({ blocks: [{ ...block, squeezeExcite: stage.index === 0 ? 0.25 : 0 }] }),
      {
        ...{ ...options, epochs: 2, stages: { count: 2, from: {}, to: {} } },
      },
    )
    await expect(run).rejects.toMatchObject({
      code: 'EF403',
      message: expect.stringMatching(
        /the model of stage 1 has other variables than the one before:\n {2}"blocks\.0\/se\/reduce\/kernel" was float32\[.*\] and is missing/,
      ),
    })
  })

  test('resumed in a later stage: the same bits', async () => {
    const trained = async (stop: number | null): Promise<Uint8Array> => {
      const checkpoints = memoryStore()
      for (const last of stop === null ? [null] : [stop, null]) {
        const controller = new AbortController()
        using _ = await fit((stage: Stage) => smallNet({ resolution: stage.size, dropout: stage.dropout }), {
          ...options,
          ...{ epochs: 3, checkpoints, resume: true, signal: controller.signal, emaDecay: 0.9 },
          stages: { count: 3, from: { size: 4, dropout: 0.1 }, to: { size: 16, dropout: 0.3 } },
          onEvent: (event) => {
            if (event.kind === 'step' && event.step === last) controller.abort()
          },
        })
      }
      return checkpoints.read('step-00000018.safetensors')
    }
    const whole = await trained(null)
    for (const stop of [6, 9, 17]) expect(Buffer.from(await trained(stop)).equals(Buffer.from(whole))).toBe(true)
  })

  test.each<[string, object, RegExp]>([
    ['more stages than epochs', { stages: { count: 2, from: {}, to: {} } }, /2 stages need at least 2 epochs, got 1/],
    ['no count', { stages: { count: 0, from: {}, to: {} } }, /stages\.count must be a positive integer, got 0/],
    [
      'a model that cannot change its size',
      { stages: { count: 1, from: { size: 4 }, to: { size: 8 } } },
      /need a function that makes a model for each stage, but fit\(\) got one model/,
    ],
    ['a dropout of 1', { stages: { count: 1, from: {}, to: { dropout: 1 } } }, /stages\.to\.dropout must be a number/],
  ])('%s', async (_name, more, message) => {
    await expect(fit(smallNet(), { ...options, ...more })).rejects.toMatchObject({
      code: 'EF403',
      message: expect.stringMatching(message),
    })
  })
})

/** The source with one number of one batch replaced, and float32 pictures. */
const withNumber = (source: DataSource, at: number, value: number): DataSource => ({
  ...source,
  *batches(request) {
    let n = 0
    for (const { image = new Uint8Array(0), label = new Int32Array(0) } of source.batches(request) as Iterable<Batch>) {
      const pixels = Float32Array.from(image)
      if (n++ === at) pixels[2 * 64 + 7] = value
      yield { image: pixels, label }
    }
  },
})

describe('numbers that are not finite', () => {
  const steps = (events: readonly TrainingEvent[]) => events.filter((event) => event.kind === 'step')

  test.each([Number.NaN, Number.POSITIVE_INFINITY])(
    '%s among the pixels ends a run without a dynamic scale, names the row, and keeps the checkpoint',
    async (value) => {
      const checkpoints = memoryStore()
      using _ = await fit(smallNet(), { ...options, checkpoints })
      const before = await checkpoints.read('step-00000006.safetensors')
      const failed = fit(smallNet(), {
        ...options,
        ...{ epochs: 2, checkpoints, resume: true, data: { train: withNumber(data.train, 4, value) } },
      })
      await expect(failed).rejects.toMatchObject({
        code: 'EF702',
        message: expect.stringMatching(
          /^step 11 \(batch 4 of epoch 1\) is not finite: the loss is .*; the input "image" holds (NaN|Infinity) in row 2; the last checkpoint, step-00000006\.safetensors, is intact$/,
        ),
      })
      expect(await checkpoints.list()).toEqual(['best.safetensors', 'step-00000006.safetensors'])
      expect(await checkpoints.read('step-00000006.safetensors')).toEqual(before)
    },
  )

  test('with a dynamic scale the update is skipped and counted, the scale halves, and the run continues', async () => {
    const events: TrainingEvent[] = []
    using run = await fit(smallNet(), {
      ...options,
      ...{ lossScale: 'dynamic', data: { train: withNumber(data.train, 2, Number.NaN) } },
      onEvent: (event) => events.push(event),
    })
    expect(run).toMatchObject({ steps: 6, skippedSteps: 1, lossScale: 2 ** 14 })
    expect(steps(events).map((e) => [e.finite, e.skippedSteps])).toEqual([
      [true, 0],
      [true, 0],
      [false, 1],
      [true, 1],
      [true, 1],
      [true, 1],
    ])
    expect(events.find((event) => event.kind === 'notice')).toEqual({
      kind: 'notice',
      message: 'the input "image" holds NaN in row 2 (batch 2 of epoch 0); its update is skipped',
    })
    expect(await run.variables.get('step', 'int32')).toEqual(Int32Array.of(5))
  })

  test('too many in a row end the run', async () => {
    const train = [0, 1, 2, 3].reduce((source, at) => withNumber(source, at, Number.NaN), data.train)
    await expect(
      fit(smallNet(), { ...options, lossScale: 'dynamic', skippedMax: 3, data: { train } }),
    ).rejects.toMatchObject({
      code: 'EF702',
      message: expect.stringMatching(
        /^step 4 .*; 3 updates before it were skipped in a row; no checkpoint was written$/,
      ),
    })
  })

  test('for a network that overflows, the error names the first tensor by path', async () => {
    const model = graph('overflowing', { image: float32('batch', 8, 8, 1) }, ({ image }, b) => {
      const x = nn.conv2d(image, { name: 'first', filters: 2, kernel: 1 })
      const y = b.scope('second', () => mul(mul(x, 1e30), 1e30))
      return { logits: nn.dense(mean(y, [1, 2]), { name: 'head', units: 3 }) }
    })
    await expect(fit(model, options)).rejects.toMatchObject({
      code: 'EF702',
      message: expect.stringMatching(
        /the first tensor that is not finite is mul at second; no checkpoint was written$/,
      ),
    })
  })

  test('the error names a weight that is not finite', async () => {
    using good = await fit(smallNet(), options)
    const name = 'blocks.1/depthwise/conv/kernel'
    const weights = await good.variables.get(name)
    weights[3] = Number.NaN
    await good.variables.set(name, weights)
    await expect(fit(smallNet(), { ...options, variables: good.variables })).rejects.toMatchObject({
      code: 'EF702',
      message: expect.stringMatching(
        /the first tensor that is not finite is variable blocks\.1\/depthwise\/conv\/kernel/,
      ),
    })
  })
})

describe('early stop and the best', () => {
  // Nothing is learned, not even statistics, so the first evaluation stays the best.
  const idle = { frozen: ['**', '!head/dense/bias'], optimizer: sgd({ learningRate: 0 }) }

  test('ends after `patience` epochs without improvement, and keeps the best', async () => {
    const checkpoints = memoryStore()
    const events: TrainingEvent[] = []
    using run = await fit(smallNet(), {
      ...options,
      ...{ ...idle, epochs: 9, checkpoints },
      earlyStop: { patience: 2 },
      onEvent: (event) => events.push(event),
    })
    expect(run).toMatchObject({ reason: 'earlyStop', epochs: 3 })
    expect(events.flatMap((event) => (event.kind === 'evaluation' ? [event.isBest] : []))).toEqual([true, false, false])
    const { metadata } = readSafetensors(await checkpoints.read('best.safetensors'))
    expect(JSON.parse(metadata.get('effuse.training') ?? '')).toMatchObject({ state: { epoch: 1, best: { epoch: 0 } } })
  })

  test('an improvement of `least` or less does not count', async () => {
    // No accuracy exceeds the first by so much.
    const ends = { ...options, epochs: 9, earlyStop: { patience: 1, least: 0.999 } }
    using run = await fit(smallNet(), ends)
    expect(run).toMatchObject({ reason: 'earlyStop', epochs: 2 })
  })

  test('a run that ended early does nothing when it is resumed', async () => {
    const settings = { ...options, ...idle, epochs: 9, checkpoints: memoryStore(), earlyStop: { patience: 2 } }
    using run = await fit(smallNet(), settings)
    using again = await fit(smallNet(), { ...settings, resume: true })
    expect(again).toMatchObject({ reason: 'earlyStop', epochs: run.epochs, steps: run.steps })
  })

  test('epochs without an evaluation do not end the run; the next evaluation does', async () => {
    const evaluated: number[] = []
    using run = await fit(smallNet(), {
      ...{ ...options, ...idle, epochs: 9, evaluateEvery: 3, earlyStop: { patience: 1 } },
      onEvent: (event) => {
        if (event.kind === 'evaluation') evaluated.push(event.epoch)
      },
    })
    expect(run).toMatchObject({ reason: 'earlyStop', epochs: 6 })
    expect(evaluated).toEqual([2, 5])
  })
})

describe('an end by an AbortSignal', () => {
  /** Starts like `source`, and never resolves after this many batches. */
  const hanging = (source: DataSource, after: number): DataSource => ({
    ...source,
    async *batches(request) {
      let given = 0
      for await (const batch of source.batches(request)) {
        if (given++ === after) await new Promise(() => {})
        yield batch
      }
    },
  })
  const soon = (controller: AbortController) => setTimeout(() => controller.abort(), 20)

  test.each([
    ['to train', { train: hanging(data.train, 2) }, 2],
    ['to evaluate', { ...data, test: hanging(data.test, 1) }, 6],
  ])('does not wait for a source that stopped %s', async (_what, hangs, steps) => {
    const checkpoints = memoryStore()
    const controller = new AbortController()
    using run = await fit(smallNet(), {
      ...{ ...options, data: hangs, checkpoints, signal: controller.signal },
      onEvent: (event) => {
        if (event.kind === 'step' && event.step === steps) soon(controller)
      },
    })
    expect(run).toMatchObject({ reason: 'aborted', epochs: 0, steps })
    using resumed = await fit(smallNet(), { ...options, checkpoints, resume: true })
    using whole = await fit(smallNet(), options)
    expect([resumed.reason, resumed.loss, resumed.top1]).toEqual(['finished', whole.loss, whole.top1])
  })

  test('during the compilation of the next stage is an end between epochs', async () => {
    const checkpoints = memoryStore()
    const controller = new AbortController()
    const settings = { ...options, checkpoints, epochs: 2, stages: { count: 2, from: { size: 4 }, to: { size: 8 } } }
    const sized = (stage: Stage) => smallNet({ resolution: stage.size })
    using run = await fit(sized, {
      ...{ ...settings, signal: controller.signal },
      onEvent: (event) => {
        if (event.kind === 'checkpoint') controller.abort()
      },
    })
    expect(run).toMatchObject({ reason: 'aborted', epochs: 1, steps: 6, checkpoint: 'step-00000006.safetensors' })
    using resumed = await fit(sized, { ...settings, resume: true })
    expect(resumed).toMatchObject({ reason: 'finished', epochs: 2 })
  })

  test('does not hide other errors', async () => {
    const controller = new AbortController()
    const failed = fit(smallNet(), {
      ...{ ...options, signal: controller.signal },
      onEvent: (event) => {
        if (event.kind !== 'step') return
        controller.abort()
        throw new TypeError('of the one who listens')
      },
    })
    await expect(failed).rejects.toThrow('of the one who listens')
  })

  test("before the start rejects with the signal's reason", async () => {
    await expect(fit(smallNet(), { ...options, signal: AbortSignal.abort('not today') })).rejects.toBe('not today')
  })
})

describe('mistakes', () => {
  const bad = (train: Partial<DataSource>) => ({ data: { train: { ...data.train, ...train } } })
  const batchOf = (batch: Batch) => bad({ batches: () => [batch] })
  const image = new Uint8Array(10 * 64)
  /** Ten rows: three correct ones, with the given one in the second place. */
  const shares = (row: readonly number[]) =>
    Float32Array.from({ length: 30 }, (_, i) =>
      Math.floor(i / 3) === 1 ? (row[i % 3] ?? 0) : i % 3 === 0 ? 1.0005 : 0,
    )
  test.each<[string, object, string, RegExp]>([
    ['an unknown option', { epoch: 3 }, 'EF403', /fit\(\) has no option "epoch"/],
    [
      'test data of another name',
      { data: { ...data, validation: data.test } },
      'EF403',
      /data has no option "validation"; it has train, test/,
    ],
    ['early stop by another name', { earlyStop: { patience: 1, min: 2 } }, 'EF403', /earlyStop has no option "min"/],
    ...[-0.1, '0.1', Infinity, Number.NaN].map(
      (least) =>
        [
          `an early stop with the least improvement ${least}`,
          { earlyStop: { patience: 1, least } },
          'EF403',
          /least a number of at least 0, got/,
        ] as [string, object, string, RegExp],
    ),
    ['accumulate 0', { accumulate: 0 }, 'EF403', /option "accumulate" must be a positive integer, got 0/],
    ['no epochs', { epochs: undefined }, 'EF403', /fit\(\) needs the option "epochs": a positive integer/],
    ['an optimizer that is none', { optimizer: () => 3 }, 'EF403', /"optimizer" must be an optimizer .*, got 3/],
    [
      'an early stop without test data',
      { data: { train: data.train }, earlyStop: { patience: 1 } },
      'EF403',
      /earlyStop needs data\.test/,
    ],
    ['resume without a store', { resume: true }, 'EF403', /resume needs the option "checkpoints"/],
    [
      'a batch larger than the data',
      { batch: 61 },
      'EF701',
      /one update takes 61 rows \(batch 61\), but the training data has 60/,
    ],
    [
      'a batch larger than the data by accumulation',
      { batch: 31, accumulate: 2 },
      'EF701',
      /one update takes 62 rows \(batch 31 times accumulate 2\)/,
    ],
    ['other classes', bad({ classes: ['a', 'b'] }), 'EF701', /efficientnet-b0 has 3 classes, but the data has 2: a, b/],
    [
      'a label that is no class',
      batchOf({ image, label: Int32Array.from({ length: 10 }, (_, i) => i % 4) }),
      'EF701',
      /the label 3 in row 3; there are 3 classes, 0 to 2 \(batch 0 of epoch 0\)/,
    ],
    ['a negative label', batchOf({ image, label: new Int32Array(10).fill(-1) }), 'EF701', /the label -1 in row 0/],
    [
      'pictures of three channels where the model takes one',
      batchOf({ image: new Uint8Array(10 * 64 * 3), label: new Int32Array(10) }),
      'EF701',
      /pictures of 3 channels as "image", but the model takes 1 \(batch 0/,
    ],
    [
      'a distribution with a negative share',
      { ...batchOf({ image, label: shares([0.5, 0.6, -0.1]) }), loss: crossEntropy({ labels: 'distribution' }) },
      'EF701',
      /row 1 of "label", a distribution over 3 classes, with the share -0\.1\d* \(batch 0 of epoch 0\)/,
    ],
    [
      'a distribution whose sum is not 1',
      { ...batchOf({ image, label: shares([0.5, 0.5, 0.002]) }), loss: crossEntropy({ labels: 'distribution' }) },
      'EF701',
      /row 1 of "label", a distribution over 3 classes, whose sum is 1\.002/,
    ],
    ['two classes of one name', bad({ classes: ['a', 'b', 'a'] }), 'EF701', /two classes of the data are called "a"/],
    [
      'a store without remove()',
      { checkpoints: { ...memoryStore(), remove: undefined } },
      'EF403',
      /list\(\), read\(\), write\(\) and remove\(\)/,
    ],
    [
      'a store that lists null',
      { checkpoints: { ...memoryStore(), list: () => Promise.resolve(null) } },
      'EF403',
      /list\(\) of the option "checkpoints" must return a list of names, got null/,
    ],
    [
      'an async onEvent that rejects',
      { onEvent: async () => Promise.reject(new Error('no disk')) },
      'EF403',
      /onEvent\(\) rejected at the event "stage": no disk/,
    ],
    [
      'a negative rate',
      { optimizer: () => ({ ...sgd({ learningRate: 1 }), learningRate: { kind: 'constant', value: -1 } }) },
      'EF403',
      /a learning rate must be/,
    ],
    ['no labels', batchOf({ image }), 'EF701', /no column "label"/],
    [
      'an unknown column',
      batchOf({ image, label: new Int32Array(10), weight: image }),
      'EF701',
      /a column "weight", which is not an input; the inputs are image, label/,
    ],
    [
      'pictures of another size',
      batchOf({ image: new Uint8Array(10 * 50), label: new Int32Array(10) }),
      'EF701',
      /500 values of "image", which has 64 a row/,
    ],
    [
      'fewer labels than pictures',
      batchOf({ image, label: new Int32Array(9) }),
      'EF701',
      /9 values of "label", 1 a row, for 10 rows/,
    ],
    [
      'more rows than asked for',
      batchOf({ image: new Uint8Array(11 * 64), label: new Int32Array(11) }),
      'EF701',
      /11 rows, but at most 10 were requested/,
    ],
    [
      'a list instead of an array',
      bad({ batches: () => [{ image: [1, 2], label: [1] }] as never }),
      'EF701',
      /as "image", not a typed array/,
    ],
    [
      'a source that ends early',
      batchOf({ image, label: new Int32Array(10) }),
      'EF701',
      /is 60 rows, but it gave 1 of 6 whole batches of 10 in epoch 0/,
    ],
    [
      'a promise instead of batches',
      bad({ batches: () => Promise.resolve([]) as never }),
      'EF701',
      /batches\(\) of the data source gave a promise, which is not a sequence of batches/,
    ],
    ['batches that are none', bad({ batches: () => [null] as never }), 'EF701', /gave null as a batch, not an object/],
    [
      'a short batch before others',
      bad({
        batches: () => [10, 3, 10].map((rows) => ({ image: image.slice(0, rows * 64), label: new Int32Array(rows) })),
      }),
      'EF701',
      /gave a batch after one of 3 rows \(batch 1 of epoch 0\)/,
    ],
    ['a length that is none', bad({ length: Number.NaN }), 'EF403', /length \(a number of rows\) and batches\(\)/],
    ['classes that are none', bad({ classes: 3 as never }), 'EF403', /classes \(a list of names\)/],
    [
      'a test set that does not end',
      {
        data: {
          ...data,
          test: {
            ...data.test,
            *batches() {
              for (;;) yield { image, label: new Int32Array(10) }
            },
          },
        },
      },
      'EF701',
      /is 21 rows, but it gave 30 rows to evaluate/,
    ],
    ['mixup of indices', { mixup: 0.2 }, 'EF701', /indices as "label", which mixup cannot blend/],
    [
      'a test set of other classes',
      { data: { ...data, test: { ...data.test, classes: ['a'] } } },
      'EF701',
      /has 3 classes, but the data has 1/,
    ],
    ['averages outside', { emaDecay: 2 }, 'EF403', /option "emaDecay"/],
    ['a backend that is none', { backend: 'gpu' }, 'EF403', /option "backend"/],
  ])('%s', async (_name, more, code, message) => {
    await expect(fit(smallNet(), { ...options, ...more } as never)).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
    })
  })

  test.each<readonly [string, object, RegExp]>([
    [
      'one-hot labels where numbers are wanted',
      batchOf({ image, label: Float32Array.from({ length: 30 }, (_, i) => Number(i % 3 === 0)) }),
      /^for one-hot labels .* use crossEntropy\(\{ labels: 'distribution' \}\)/,
    ],
    [
      'numbers where distributions are wanted',
      { ...batchOf({ image, label: new Float32Array(10) }), loss: crossEntropy({ labels: 'distribution' }) },
      /^class indices must be an Int32Array/,
    ],
    ['other classes', bad({ classes: ['a', 'b'] }), /"logits" must have a column for each class, 2: the units/],
    [
      'pictures of three channels',
      batchOf({ image: new Uint8Array(10 * 64 * 3), label: new Int32Array(10) }),
      /^declare the input "image" with 3 channels \(efficientNet: inChannels: 3\), or give pictures of 1$/,
    ],
  ])('the hint for %s fits networks of any kind', async (_name, more, hint) => {
    await expect(fit(smallNet(), { ...options, ...more } as never)).rejects.toMatchObject({
      code: 'EF701',
      hint: expect.stringMatching(hint),
    })
  })

  test('a store that cannot be written ends the run before it starts', async () => {
    const train = {
      ...data.train,
      batches: () => {
        throw new Error('the data was asked for')
      },
    }
    const full = {
      ...memoryStore(),
      write: () => Promise.reject(new EffuseError({ code: 'EF501', message: 'the disk is full' })),
    }
    await expect(fit(smallNet(), { ...options, data: { train }, checkpoints: full })).rejects.toMatchObject({
      code: 'EF501',
    })
  })

  test('a disk that becomes full keeps the older checkpoints', async () => {
    const store = memoryStore()
    let writes = 0
    const filling = {
      ...store,
      write: (name: string, bytes: Uint8Array) =>
        ++writes > 3
          ? Promise.reject(new EffuseError({ code: 'EF501', message: 'the disk is full' }))
          : store.write(name, bytes),
    }
    const failed = fit(smallNet(), { ...options, data: { train: data.train }, epochs: 4, checkpoints: filling })
    await expect(failed).rejects.toMatchObject({ code: 'EF501', message: 'the disk is full' })
    expect((await store.list()).toSorted()).toEqual(['step-00000006.safetensors', 'step-00000012.safetensors'])
    using run = await fit(smallNet(), {
      ...options,
      data: { train: data.train },
      epochs: 4,
      checkpoints: store,
      resume: true,
    })
    expect(run.steps).toBe(24)
  })
})

test('an onEvent that rejects after the last step also ends the run; an evaluation batch is at most as large as the data', async () => {
  const data = { train: pictures(12), test: pictures(5) }
  const options = {
    data,
    loss: crossEntropy(),
    optimizer: sgd({ learningRate: 0.1 }),
    epochs: 1,
    batch: 4,
    backend: 'tfjs-cpu' as const,
  }
  using run = await fit(smallNet(), { ...options, evaluationBatch: 10_000_000 })
  expect(run.top1).not.toBe(null)
  await expect(
    fit(smallNet(), {
      ...options,
      onEvent: async (event) => {
        await nextTurn()
        if (event.kind === 'evaluation') throw new Error('late')
      },
    }),
  ).rejects.toMatchObject({ code: 'EF403', message: 'onEvent() rejected at the event "evaluation": late' })
})
