/** One pass over the training data: turns batches into updates, and handles numbers that are not finite. */
import { nextTurn } from '#platform'
import { read, type Result } from '../executable/results.ts'
import { isObject } from '../ir/check-record.ts'
import { EffuseError } from '../ir/diagnostics.ts'
import { drawBatches } from './draw-batches.ts'
import type { Stage } from './events.ts'
import { type Feeder, makeFeeder, nonFiniteFeed } from './feeder.ts'
import { batchFingerprint } from './fingerprint.ts'
import { firstNonFinite } from './first-non-finite.ts'
import { type Run, saveCheckpoint } from './run.ts'
import { positionOf } from './fit-options.ts'
import { type FirstBatch, noPending } from './run-state.ts'
import type { Batch, BatchRequest, Column } from './source.ts'

/** 'aborted': the signal aborted. The state is that after the last finished step, at any position in the epoch. */
export type EpochEnd = 'done' | 'aborted'

/** @throws EffuseError EF701 (the data does not fit), EF702 (a number is not finite and the update may not be skipped) */
export const trainEpoch = async (run: Run, stage: Stage): Promise<EpochEnd> => {
  const { options, figures, configuration, runner } = run
  const { batch, accumulate = 1, data, signal, checkpointEvery } = options
  const total = figures.stepsPerEpoch * accumulate
  const { distributions } = options.loss
  const feeder = makeFeeder({ inputs: runner.step.inputs, batch, classes: data.train.classes.length, distributions })
  run.throughput.restart()
  if (run.state.batchInEpoch < total) {
    const { epoch, batchInEpoch: skip } = run.state
    const { augmentation } = stage
    const request = { batch, epoch, seed: configuration.seed, size: runner.size, augmentation, skip, signal }
    const skipHere = data.train.canSkip === true ? 0 : skip
    let seen = 0
    let short: number | null = null
    for await (const columns of drawBatches(data.train, request)) {
      if (seen++ < skipHere) continue
      if (short !== null)
        throw new EffuseError({
          code: 'EF701',
          message: `the data source gave a batch after one of ${short} rows (${placeOf(run)})`,
          hint: `only the last batch of an epoch may have fewer than the requested ${batch} rows`,
        })
      if (epoch === 0 && run.state.batchInEpoch === 0)
        run.state = { ...run.state, firstBatch: firstBatchOf(columns, request) }
      const rows = await runBatch(run, stage, feeder, columns)
      if (rows < batch) short = rows
      await nextTurn() // lets signals, timers and files run between steps
      run.events.check()
      if (run.state.batchInEpoch === total) break
      const isUpdate = rows === batch && run.state.pending.batches === 0
      if (isUpdate && checkpointEvery !== undefined && run.state.step % checkpointEvery === 0) await saveCheckpoint(run)
    }
  }
  if (signal?.aborted === true) return 'aborted'
  if (run.state.batchInEpoch < total)
    throw new EffuseError({
      code: 'EF701',
      message: `the length of the data source is ${data.train.length} rows, but it gave ${run.state.batchInEpoch} of ${total} whole batches of ${batch} in epoch ${run.state.epoch}`,
      hint: 'length must be the number of rows of one epoch',
    })
  return 'done'
}

const firstBatchOf = (columns: Batch, { batch, size, augmentation }: BatchRequest): FirstBatch | undefined =>
  // The feeder reports invalid columns.
  isObject(columns) && Object.values(columns).every((column) => ArrayBuffer.isView(column))
    ? { fingerprint: batchFingerprint(columns), batch, size, augmentation }
    : undefined

/** Runs one micro-batch and returns its rows. A short one is dropped, because statistics and averages need full batches. */
const runBatch = async (run: Run, stage: Stage, feeder: Feeder, columns: Batch): Promise<number> => {
  const { options, configuration, runner, state } = run
  const { batch } = options
  const place = { epoch: state.epoch, batch: state.batchInEpoch }
  const mixup = stage.mixup === undefined ? null : { alpha: stage.mixup, seed: configuration.seed, ...place }
  const { feeds, rows } = feeder.feed(columns, place, mixup)
  if (rows < batch) return rows
  const { runIndex } = runner.trainer
  const results = (await runner.trainer.run(feeds as never)) as { readonly [name: string]: Result } // the feeder made them for these inputs
  const values = (await read(results)) as unknown as StepValues // the outputs of a training step
  for (const result of Object.values(results)) result.dispose()
  run.throughput.note(rows)
  await account(run, values, feeds, runIndex)
  return rows
}

interface StepValues {
  readonly loss: number
  readonly correct?: number
  readonly learningRate: number
  readonly lossScale: number
  readonly finite: boolean
}

const account = async (
  run: Run,
  values: StepValues,
  feeds: { readonly [input: string]: Column },
  runIndex: number,
): Promise<void> => {
  const { accumulate = 1, batch, skippedMax = 20 } = run.options
  const { state } = run
  if (!values.finite) {
    const isDynamic = run.runner.trainer.variables.names('lossScale/goodSteps').length > 0
    const culprit = nonFiniteFeed(feeds, batch)
    if (!isDynamic || state.skippedInRow + 1 > skippedMax)
      throw await notFinite(run, values, feeds, runIndex, culprit, isDynamic)
    if (culprit !== null)
      run.emit({ kind: 'notice', message: `the input ${culprit} (${placeOf(run)}); its update is skipped` })
  }
  const pending = {
    batches: state.pending.batches + 1,
    loss: state.pending.loss + values.loss,
    correct: state.pending.correct + (values.correct ?? 0),
  }
  const moved = { ...state, batchInEpoch: state.batchInEpoch + 1, runIndex: run.runner.trainer.runIndex }
  if (pending.batches < accumulate) {
    run.state = { ...moved, pending }
    return
  }
  const isSkipped = !values.finite
  run.state = {
    ...moved,
    pending: noPending,
    step: state.step + 1,
    loss: pending.loss / accumulate,
    lossScale: values.lossScale,
    skippedSteps: state.skippedSteps + (isSkipped ? 1 : 0),
    skippedInRow: isSkipped ? state.skippedInRow + 1 : 0,
  }
  emitStep(run, values, values.correct === undefined ? null : pending.correct / (batch * accumulate))
}

const emitStep = (run: Run, { learningRate, lossScale, finite }: StepValues, accuracy: number | null): void => {
  const { state, figures, options } = run
  run.emit({
    kind: 'step',
    step: state.step,
    position: positionOf(state, options, figures),
    steps: figures.steps,
    epoch: state.epoch,
    stepInEpoch: state.batchInEpoch / (options.accumulate ?? 1),
    stepsPerEpoch: figures.stepsPerEpoch,
    loss: state.loss ?? Number.NaN,
    accuracy,
    learningRate,
    lossScale,
    finite,
    skippedSteps: state.skippedSteps,
    imagesPerSecond: run.throughput.rate(),
  })
}

const placeOf = ({ state }: Run): string => `batch ${state.batchInEpoch} of epoch ${state.epoch}`

const notFinite = async (
  run: Run,
  { loss, lossScale }: StepValues,
  feeds: { readonly [input: string]: Column },
  runIndex: number,
  culprit: string | null,
  isDynamic: boolean,
): Promise<EffuseError> => {
  const { step, stepOptions, trainer } = run.runner
  const where =
    culprit === null
      ? await firstNonFinite({ step, options: stepOptions, variables: trainer.variables, feeds, runIndex })
      : null
  const what =
    culprit !== null
      ? `the input ${culprit}`
      : where !== null
        ? `the first tensor that is not finite is ${where}`
        : 'when the step ran again, every tensor was finite'
  const kept =
    run.checkpoint === null ? 'no checkpoint was written' : `the last checkpoint, ${run.checkpoint}, is intact`
  return new EffuseError({
    code: 'EF702',
    message: `step ${run.state.step + 1} (${placeOf(run)}) is not finite: the loss is ${loss}, the loss scale ${lossScale}; ${what}${isDynamic ? `; ${run.state.skippedInRow} updates before it were skipped in a row` : ''}; ${kept}`,
    hint: isDynamic
      ? 'use a smaller learning rate, or clipNorm; skippedMax allows more skipped updates in a row'
      : "use a smaller learning rate, clipNorm, or lossScale: 'dynamic', which skips such steps",
  })
}
