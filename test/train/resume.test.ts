/** Resuming: an interrupted run ends with the same bits as an uninterrupted one. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { compile } from '../../src/compile.ts'
import { writeOwnFile } from '../../src/io/checksums.ts'
import { readSafetensors } from '../../src/io/safetensors.ts'
import { type TensorEntry, toFloat32 } from '../../src/io/tensor-entry.ts'
import { EffuseError } from '../../src/ir/diagnostics.ts'
import { globalAveragePool2d } from '../../src/ir/functions.ts'
import { graph } from '../../src/ir/model.ts'
import * as nn from '../../src/ir/nn.ts'
import { float32 } from '../../src/ir/value.ts'
import { crossEntropy } from '../../src/passes/train/losses.ts'
import { adam, rmsprop, sgd } from '../../src/passes/train/optimizers.ts'
import { cosine, scheduleAt } from '../../src/passes/train/schedules.ts'
import { type CheckpointStore, memoryStore } from '../../src/train/checkpoint-store.ts'
import type { StepEvent, TrainingEvent } from '../../src/train/events.ts'
import type { BatchRequest, DataSource } from '../../src/train/source.ts'
import { fit } from '../../src/train/fit.ts'
import type { FitOptions, RunFigures } from '../../src/train/fit-options.ts'
import { withTensorflow } from '../support/tensorflow.ts'
import { pictures, smallNet, timeless } from './small-data.ts'

const distribution = crossEntropy({ labels: 'distribution', labelSmoothing: 0.1 })
const options = {
  data: { train: pictures(34, { canSkip: true, isShuffled: true }), test: pictures(10) },
  loss: distribution,
  optimizer: ({ steps }: { readonly steps: number }) =>
    rmsprop({ learningRate: cosine({ initial: 0.02, steps }), initialMeanSquare: 1 }),
  emaDecay: 0.9,
  lossScale: 'dynamic',
  mixup: 0.2,
  epochs: 3,
  batch: 8,
  seed: 5,
  backend: 'tfjs-wasm',
} as const
const latest = async (store: CheckpointStore): Promise<Uint8Array> =>
  store.read(
    (await store.list())
      .filter((name) => name.startsWith('step-'))
      .toSorted()
      .at(-1) ?? 'none',
  )

/** The source, which calls `stop` after this many batches. */
const stopping = (source: DataSource, after: number | undefined, stop: () => void): DataSource => ({
  ...source,
  async *batches(request) {
    let given = 0
    for await (const batch of source.batches(request)) {
      if (++given === after) stop()
      yield batch
    }
  },
})

/** Runs to the end, with a stop after each of these numbers of micro-batches. Returns the last file and the events. */
const interrupted = async (
  stops: readonly number[],
  more: Pick<Partial<FitOptions>, 'data' | 'accumulate' | 'backend'> = {},
) => {
  const checkpoints = memoryStore()
  const events: TrainingEvent[] = []
  const todo = [...stops]
  for (;;) {
    const controller = new AbortController()
    const after = todo.shift()
    const given = { ...options, ...more }
    const train = stopping(given.data.train, after, () => controller.abort())
    using run = await fit(smallNet(), {
      ...given,
      data: { ...given.data, train },
      checkpoints,
      resume: true,
      signal: controller.signal,
      onEvent: (event) => {
        events.push(event)
      },
    })
    if (run.reason === 'finished')
      return { bytes: await latest(checkpoints), events: timeless(events), run: { ...run } }
    expect(run.reason).toBe('aborted')
  }
}

describe('a resumed run', () => {
  const runs = [
    ['one that skips', options.data.train, 1],
    ['one that cannot skip', pictures(34, { isShuffled: true }), 1],
    ['one that skips, gradients being accumulated', pictures(70, { canSkip: true, isShuffled: true }), 3],
  ] as const
  const backends = ['tfjs-wasm', ...withTensorflow] as const
  test.each(backends.flatMap((backend) => runs.map((run) => [backend, ...run] as const)))(
    'on %s has the bits of an uninterrupted one, for any interruptions; the source is %s',
    async (backend, _name, train, n) => {
      const more = { data: { ...options.data, train }, accumulate: n, backend }
      const whole = await interrupted([], more)
      await fc.assert(
        fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 4 }), async (stops) => {
          const parts = await interrupted(stops, more)
          expect(parts.events).toEqual(whole.events)
          expect(Buffer.from(parts.bytes).equals(Buffer.from(whole.bytes))).toBe(true)
        }),
        { numRuns: backend === 'tensorflow' ? 2 : 4 }, // compiling takes longer there
      )
    },
    240_000,
  )

  test('starts if there is nothing to resume', async () => {
    const checkpoints = memoryStore()
    using run = await fit(smallNet(), { ...options, epochs: 1, checkpoints, resume: true })
    expect(run.steps).toBe(4)
    using again = await fit(smallNet(), { ...options, epochs: 1, checkpoints, resume: true })
    expect(again).toMatchObject({ reason: 'finished', steps: 4, top1: run.top1, loss: run.loss })
  })

  test('has an exclusive store: a new run does not mix its checkpoints with those of another', async () => {
    const checkpoints = memoryStore()
    using _ = await fit(smallNet(), { ...options, epochs: 2, checkpoints })
    const before = await checkpoints.list()
    await expect(fit(smallNet(), { ...options, epochs: 1, checkpoints })).rejects.toMatchObject({
      code: 'EF508',
      message: expect.stringMatching(/memory already contains checkpoints of a run, of which step-\d+\.safetensors/),
    })
    expect(await checkpoints.list()).toEqual(before)
  })

  test('skips damaged checkpoints with a notice', async () => {
    const checkpoints = memoryStore()
    using first = await fit(smallNet(), { ...options, epochs: 2, checkpoints })
    const [, newest = ''] = (await checkpoints.list()).filter((name) => name.startsWith('step-')).toSorted()
    await checkpoints.write(newest, (await checkpoints.read(newest)).subarray(0, 3000))
    const events: TrainingEvent[] = []
    using run = await fit(smallNet(), {
      ...options,
      ...{ epochs: 2, checkpoints, resume: true, onEvent: (event: TrainingEvent) => events.push(event) },
    })
    expect(run.steps).toBe(8)
    expect(events.filter((event) => event.kind === 'step')).toHaveLength(4)
    expect(events.find((event) => event.kind === 'notice')).toMatchObject({
      message: expect.stringMatching(/step-00000008\.safetensors in memory cannot be used and is skipped/),
    })
    for (const name of run.variables.names()) {
      const { dtype } = run.variables.describe(name)
      expect(await run.variables.get(name, dtype)).toEqual(await first.variables.get(name, dtype))
    }
    for (const name of (await checkpoints.list()).filter((n) => n.startsWith('step-')))
      await checkpoints.write(name, new Uint8Array(9))
    await expect(fit(smallNet(), { ...options, checkpoints, resume: true })).rejects.toMatchObject({
      code: 'EF508',
      message: expect.stringMatching(/none of the 2 checkpoints in memory can be read/),
    })
  })

  test('a flipped bit in the latest checkpoint is reported, and the previous checkpoint is used', async () => {
    const checkpoints = memoryStore()
    using first = await fit(smallNet(), { ...options, epochs: 2, checkpoints })
    const [, newest = ''] = (await checkpoints.list()).filter((name) => name.startsWith('step-')).toSorted()
    const bytes = await checkpoints.read(newest)
    bytes[bytes.length - 100] = (bytes[bytes.length - 100] ?? 0) ^ 4
    await checkpoints.write(newest, bytes)
    const notices: string[] = []
    using run = await fit(smallNet(), {
      ...{ ...options, epochs: 2, checkpoints, resume: true },
      onEvent: (event) => {
        if (event.kind === 'notice') notices.push(event.message)
      },
    })
    expect(notices).toEqual([
      expect.stringMatching(/step-00000008\.safetensors in memory cannot be used and is skipped: .* has changed since/),
    ])
    for (const name of run.variables.names()) {
      const { dtype } = run.variables.describe(name)
      expect(await run.variables.get(name, dtype)).toEqual(await first.variables.get(name, dtype))
    }
  })

  test.each([
    ['state', { pending: {} }, /state\.pending must be \{ batches, loss, correct \}/],
    ['state', { skippedSteps: 'many' }, /state\.skippedSteps must be an integer of at least 0, it is "many"/],
    ['state', { step: 3 }, /the variable "step" is 4, but according to the state it must be 3/],
    ['state', { lossScale: -1 }, /state\.lossScale must be a positive number, it is -1/],
    ['state', { best: 5 }, /state\.best must be \{ epoch, top1 \}/],
    ['state', { best: { epoch: 9, top1: 0.5 } }, /the evaluation of epoch 9 was the best/],
    ['state', { top1: 7 }, /state\.top1 must be/],
    ['state', { runIndex: 1 }, /4 updates were made in 1 runs/],
    ['state', { skippedInRow: 2 }, /were skipped/],
    ['state', { pending: { batches: 1, loss: 0, correct: 0 } }, /1 micro-batches wait for an update of 1/],
    ['state', { lossScale: 0 }, /state\.lossScale must be a positive number/],
    ['state', { lossScale: '1e999' }, /state\.lossScale must be a positive number/],
    ['configuration', { batch: undefined }, /configuration\.batch must be a positive integer, it is undefined/],
    ['configuration', { classes: [1] }, /configuration\.classes must be a list of names/],
    ['configuration', { length: 0 }, /configuration\.length/],
  ] as const)('an invalid %s, %o, is rejected', async (part, change, message) => {
    const checkpoints = memoryStore()
    using _ = await fit(smallNet(), { ...options, epochs: 1, checkpoints })
    const [name = ''] = (await checkpoints.list()).filter((file) => file.startsWith('step-'))
    const { tensors, metadata } = readSafetensors(await checkpoints.read(name))
    const reported: { readonly state: object; readonly configuration: object } = JSON.parse(
      metadata.get('effuse.training') ?? '',
    )
    // JSON has no infinity, but this number is read as one.
    const text = JSON.stringify({ ...reported, [part]: { ...reported[part], ...change } }).replace('"1e999"', '1e999')
    const texts = { ...Object.fromEntries(metadata), 'effuse.training': text }
    await checkpoints.write(name, writeOwnFile([...tensors.values()], texts))
    await expect(fit(smallNet(), { ...options, checkpoints, resume: true })).rejects.toMatchObject({
      code: 'EF508',
      message: expect.stringMatching(message),
    })
  })

  test('rejects other classes, another seed, another model and another optimizer, and lists the differences', async () => {
    const checkpoints = memoryStore()
    using _ = await fit(smallNet(), { ...options, epochs: 1, checkpoints })
    const resumed = async (more: object, model = smallNet()): Promise<string> => {
      const error: unknown = await fit(model, { ...options, ...more, checkpoints, resume: true }).catch(
        (e: unknown) => e,
      )
      expect(error).toBeInstanceOf(EffuseError)
      expect((error as EffuseError).code).toBe('EF508')
      return (error as EffuseError).message
    }
    const renamed = { ...pictures(34), classes: ['left', 'right', 'neither', 'both'] }
    expect(await resumed({ data: { train: renamed } }, smallNet({ classes: 4 }))).toMatch(
      /3 classes, the data 4\n {2}class 2 was "both" and is "neither"\n {2}class 3 was missing and is "both"/,
    )
    expect(await resumed({ seed: 6 })).toMatch(/the seed was 5 and is 6/)
    const other = await resumed({ optimizer: adam({ learningRate: 1 }) })
    expect(other).toMatch(
      /^step-00000004\.safetensors was trained with rmsprop, but the run uses adam or adamw: the checkpoint step-00000004\.safetensors is of another/,
    )
    expect(other.split('\n')).toHaveLength(11)
    expect(other).toMatch(/\n {2}and \d+ more$/)
    expect(await resumed({ optimizer: sgd({ learningRate: 1 }) })).toMatch(
      /another model, optimizer or averages:[\s\S]*not in this run: "optimizer\/[^"]+\/meanSquare"/,
    )
    // Every variable that differs, without the optimizer slots that belong to them.
    const wide = await resumed({}, smallNet({ wide: true }))
    expect(wide).toMatch(
      /"blocks\.0\/project\/conv\/kernel" is float32\[1,1,32,8\] in the checkpoint, float32\[1,1,32,16\] in this run/,
    )
    expect(wide).toMatch(/\n {2}and \d+ more$/)
    expect(wide.split('\n')).toHaveLength(11)
    expect(wide).not.toMatch(/optimizer\//)
  })

  test('reports that it is past the requested epochs', async () => {
    const checkpoints = memoryStore()
    using _ = await fit(smallNet(), { ...options, epochs: 2, checkpoints })
    const events: TrainingEvent[] = []
    using again = await fit(smallNet(), {
      ...{ ...options, epochs: 1, checkpoints, resume: true },
      onEvent: (event) => events.push(event),
    })
    expect(again).toMatchObject({ reason: 'finished', epochs: 2 })
    expect(events.flatMap((event) => (event.kind === 'notice' ? [event.message] : []))).toEqual([
      expect.stringMatching(/has finished 2 epochs, more than the requested 1: there is nothing to do$/),
    ])
  })

  test('reports that its data or its model changed, and only then', async () => {
    const notices = async (more: object, model = smallNet()) => {
      const checkpoints = memoryStore()
      using _ = await fit(smallNet(), { ...options, epochs: 1, checkpoints })
      const reported: string[] = []
      const onEvent = (event: TrainingEvent): void => {
        if (event.kind === 'notice') reported.push(event.message)
      }
      using __ = await fit(model, { ...options, epochs: 2, ...more, checkpoints, resume: true, onEvent })
      return reported
    }
    expect(await notices({})).toEqual([])
    expect(await notices({ batch: 4 })).toEqual([])
    expect(await notices({ epochs: 1 })).toEqual([])
    expect(await notices({}, smallNet({ dropout: 0.5 }))).toEqual([expect.stringMatching(/^the model has changed/)])
    const other = { data: { ...options.data, train: pictures(34, { canSkip: true }) } }
    expect(
      await notices({
        ...other,
        data: {
          ...options.data,
          train: {
            ...other.data.train,
            *batches(request: BatchRequest) {
              for (const { image, label } of pictures(34).batches(request) as Iterable<{
                readonly image: Uint8Array<ArrayBuffer>
                readonly label: Int32Array<ArrayBuffer>
              }>)
                yield { image: image.map((v) => v ^ 1), label }
            },
          },
        },
      }),
    ).toEqual([expect.stringMatching(/^the training data has changed/)])
  })

  test('needs the same batch size within an epoch; at the end of an epoch it may change', async () => {
    const store = async (stopAt: number) => {
      const checkpoints = memoryStore()
      const controller = new AbortController()
      using _ = await fit(smallNet(), {
        ...options,
        ...{ checkpoints, signal: controller.signal },
        onEvent: (event) => {
          if (event.kind === 'step' && event.step === stopAt) controller.abort()
        },
      })
      return checkpoints
    }
    await expect(
      fit(smallNet(), { ...options, batch: 4, checkpoints: await store(2), resume: true }),
    ).rejects.toMatchObject({
      code: 'EF508',
      message: expect.stringMatching(/batch was 8 and is 4.*middle of an epoch/),
    })
    const checkpoints = memoryStore()
    using one = await fit(smallNet(), { ...options, epochs: 1, checkpoints })
    using run = await fit(smallNet(), { ...options, epochs: 2, batch: 4, checkpoints, resume: true })
    expect([one.steps, run.steps]).toEqual([4, 12])
    using other = await fit(smallNet(), { ...options, epochs: 3, batch: 4, accumulate: 4, checkpoints, resume: true })
    expect(other.steps).toBe(14)
  })

  test.each([
    ['a larger batch', 4, 8],
    ['a smaller batch', 8, 4],
  ] as const)('with %s continues its schedule at the completed share of the training', async (_name, before, after) => {
    const data = { train: pictures(64, { canSkip: true, isShuffled: true }) }
    const rates = (batch: number) => cosine({ initial: 0.02, steps: (64 / batch) * 4 })
    const settings = {
      ...options,
      data,
      optimizer: ({ globalBatch }: RunFigures) => sgd({ learningRate: rates(globalBatch) }),
    }
    /** One half with one batch size, then the rest with the other, stopped once after this many updates of it. */
    const halves = async (stopAfter: number) => {
      const checkpoints = memoryStore()
      using half = await fit(smallNet(), { ...settings, epochs: 2, batch: before, checkpoints })
      expect(half.steps).toBe(128 / before)
      const steps: StepEvent[] = []
      for (const isStopped of [true, false]) {
        const controller = new AbortController()
        using run = await fit(smallNet(), {
          ...{ ...settings, epochs: 4, batch: after, checkpoints, resume: true, signal: controller.signal },
          onEvent: (event) => {
            if (event.kind !== 'step') return
            steps.push({ ...event, imagesPerSecond: 0 })
            if (isStopped && steps.length === stopAfter) controller.abort()
          },
        })
        expect(run.reason).toBe(isStopped ? 'aborted' : 'finished')
      }
      return { steps, bytes: await latest(checkpoints) }
    }
    const { steps, bytes } = await halves(3)
    const [total, done] = [256 / after, 128 / after]
    expect(steps.map(({ step, position, steps: of }) => [step, position, of])).toEqual(
      Array.from({ length: total - done }, (_, n) => [128 / before + n + 1, done + n + 1, total]),
    )
    for (const [n, { learningRate }] of steps.entries())
      expect(learningRate).toBeCloseTo(scheduleAt(rates(after), done + n), 7)
    // The place of the second stop does not matter.
    const other = await halves(total - done - 1)
    expect(other.steps).toEqual(steps)
    expect(Buffer.from(other.bytes).equals(Buffer.from(bytes))).toBe(true)
  })

  test('starts from other weights, with their averages', async () => {
    using first = await fit(smallNet(), { ...options, epochs: 1 })
    for (const variables of [first.variables, first.variables.averages]) {
      using run = await fit(smallNet(), {
        ...options,
        ...{ epochs: 1, variables, optimizer: sgd({ learningRate: 0 }), weightDecay: 0 },
      })
      const name = 'head/dense/kernel'
      expect(await run.variables.get(name)).toEqual(await variables.get(name))
      expect(await run.variables.averages.get(name)).toEqual(await variables.get(name))
    }
  })

  test('keeps variables that the loss does not reach: checkpoints contain another head unchanged', async () => {
    const twoHeads = graph('two-heads', { image: float32('batch', 8, 8, 1) }, ({ image }) => {
      const x = globalAveragePool2d(nn.conv2d(image, { name: 'stem', filters: 4, kernel: 3 }))
      return { logits: nn.dense(x, { name: 'head', units: 3 }), extra: nn.dense(x, { name: 'extra', units: 2 }) }
    })
    const { backend } = options
    using before = await compile(twoHeads, { backend, seed: 11 })
    const checkpoints = memoryStore()
    const settings = { ...options, epochs: 1, frozen: ['extra/bias'], checkpoints }
    using run = await fit(twoHeads, { ...settings, variables: before.variables })
    using _ = await fit(twoHeads, { ...settings, epochs: 2, resume: true })
    const saved = readSafetensors(await latest(checkpoints)).tensors
    for (const name of ['extra/kernel', 'extra/bias'])
      expect(toFloat32(saved.get(name) as TensorEntry)).toEqual(await before.variables.get(name))
    expect([...saved.keys()].filter((name) => name.startsWith('optimizer/extra'))).toEqual([])
    // The averages also contain the head, so that the whole model can be restored from them.
    using after = await compile(twoHeads, { backend, variables: await run.variables.averages.save() })
    expect(await after.variables.get('extra/kernel')).toEqual(await before.variables.get('extra/kernel'))
    expect(await after.variables.get('head/kernel')).not.toEqual(await before.variables.get('head/kernel'))
  })
})
