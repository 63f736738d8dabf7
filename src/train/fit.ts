/** fit(): epochs, stages, evaluations and checkpoints around a training step. No mathematics: that is in the step's graph. */
import { progressOutput } from '#platform'
import { withSavedMetadata } from '../executable/variables.ts'
import { shownAs } from '../ir/shown.ts'
import type { Signature } from '../ir/value.ts'
import { runMetadata } from './checkpoints.ts'
import { evaluateEpoch } from './evaluate-epoch.ts'
import { checkedStore } from './checked-store.ts'
import type { FitResult } from './fit-result.ts'
import { checkFitOptions, type FitOptions, type ModelForStage } from './fit-options.ts'
import { openStageOf, startRun } from './start-run.ts'
import { makeProgress, percent, type Progress, type ProgressOptions } from './progress.ts'
import { type Run, saveCheckpoint } from './run.ts'
import { trainEpoch } from './train-epoch.ts'

/**
 * Trains a model: `epochs` passes over `data.train`, with evaluations of the weights and of their averages on `data.test`.
 * With `checkpoints` and `resume: true`, a run that was interrupted or killed continues and ends with the same bits as an uninterrupted run.
 *
 * @param model A model, or a function that makes one for each stage. Picture size and dropout may differ, variables may not.
 * @throws EffuseError EF403 (options), EF701 (data), EF702 (a number is not finite), EF508 (cannot be resumed), EF501 (checkpoints); the
 * signal's reason if it aborts before the run has started; errors of the source, the store and onEvent.
 * @example
 * const rows = { classes: ['a', 'b', 'c'], length: 4, batches: () => [0, 1].map(() => ({ image: new Uint8Array(2 * 224 * 224 * 3), label: Int32Array.of(0, 2) })) }
 * using run = await fit(model, { data: { train: rows, test: rows }, loss: crossEntropy(), optimizer: sgd({ learningRate: 0.01 }), epochs: 1, batch: 2 })
 * await run.variables.save('trained.safetensors')
 */
export const fit = async <I extends Signature, O extends Signature, T extends Signature>(
  model: ModelForStage<I, O>,
  options: FitOptions<T, O>,
): Promise<FitResult> => {
  const asked = options as unknown as FitOptions // the loss fits the model: the signature says so
  checkFitOptions(asked)
  const given = asked.checkpoints === undefined ? asked : { ...asked, checkpoints: checkedStore(asked.checkpoints) }
  const lock = await given.checkpoints?.lock?.()
  const progress = given.progress === true ? makeProgress(await progressOutput(), progressOptionsOf(given)) : null
  try {
    return await runAll(
      model as ModelForStage<Signature, Signature>,
      progress === null ? given : shown(given, progress),
    )
  } finally {
    progress?.stop()
    await lock?.release()
  }
}

const progressOptionsOf = ({ batch, accumulate = 1, epochs }: FitOptions): ProgressOptions => ({
  rowsPerUpdate: batch * accumulate,
  epochs,
})

const shown = (options: FitOptions, progress: Progress): FitOptions => ({
  ...options,
  onEvent: (event) => {
    progress.onEvent(event)
    return options.onEvent?.(event) // may be a promise
  },
})

const runAll = async (model: ModelForStage<Signature, Signature>, options: FitOptions): Promise<FitResult> => {
  const run = await startRun(model, options)
  try {
    const reason = await trainAll(run)
    await run.events.settle()
    return resultOf(run, reason)
  } catch (error) {
    run.runner.dispose()
    throw error
  }
}

type Reason = FitResult['reason']

const trainAll = async (run: Run): Promise<Reason> => {
  while (run.state.epoch < run.options.epochs) {
    if (hasStalled(run)) return 'earlyStop'
    const stage = await openStageOf(run)
    if (stage === 'aborted') return 'aborted' // between epochs the last checkpoint has the present state
    if ((await trainEpoch(run, stage)) === 'aborted' || (await evaluateEpoch(run)) === 'aborted') {
      await saveCheckpoint(run)
      return 'aborted'
    }
  }
  return 'finished'
}

/** Checked between epochs, also when a run resumes: the last evaluation showed that `patience` epochs passed without a gain. */
const hasStalled = ({ options: { earlyStop, evaluateEvery = 1 }, state }: Run): boolean => {
  const { epoch, batchInEpoch, lastGain } = state
  if (earlyStop === undefined || lastGain === null || batchInEpoch > 0 || epoch % evaluateEvery !== 0) return false
  return epoch - 1 - lastGain.epoch >= earlyStop.patience
}

const resultOf = (run: Run, reason: Reason): FitResult => {
  const { runner, state, checkpoint, configuration, options } = run
  const dispose = (): void => runner.dispose()
  const result: FitResult = {
    reason,
    epochs: state.epoch,
    steps: state.step,
    skippedSteps: state.skippedSteps,
    loss: state.loss,
    lossScale: state.lossScale,
    top1: state.top1,
    emaTop1: state.emaTop1,
    checkpoint,
    variables: withSavedMetadata(runner.trainer.variables, runMetadata(runner.model, state, configuration, options)),
    dispose,
    [Symbol.dispose]: dispose,
  }
  return Object.freeze(shownAs(result, () => lineOf(result)))
}

const lineOf = ({ reason, epochs, steps, loss, top1, emaTop1, checkpoint }: FitResult): string => {
  const share = (name: string, value: number | null): readonly string[] =>
    value === null ? [] : [`${name} ${percent(value)}`]
  const figures = [
    ...(loss === null ? [] : [`loss ${loss.toPrecision(4)}`]),
    ...share('top1', top1),
    ...share('emaTop1', emaTop1),
    ...(checkpoint === null ? [] : [`checkpoint "${checkpoint}"`]),
  ]
  const done = `${epochs} ${epochs === 1 ? 'epoch' : 'epochs'}, ${steps} ${steps === 1 ? 'update' : 'updates'}`
  return `Training run, ${[`${reason} after ${done}`, ...figures].join(', ')}; await run.variables.save(path) saves its weights`
}
