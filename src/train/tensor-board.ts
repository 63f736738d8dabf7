/** The curves of a run for TensorBoard, written by tfjs-node. Node only. */
import { openSummaryWriter } from '../backends/tensorflow/summary-writer.ts'
import { EffuseError, showGiven } from '../ir/diagnostics.ts'
import type { TrainingEvent } from './events.ts'

/** Takes the events of a run, and ignores those that have no numbers. */
export type TensorBoardSink = (event: TrainingEvent) => void

type Numbers = readonly (readonly [name: string, value: number | null])[]

/**
 * A listener for `fit` that writes a run's numbers into a file of events in a folder: `tensorboard --logdir FOLDER` shows them. Each update gives
 * `train/loss`, `train/accuracy`, `train/learningRate`, `train/lossScale` and `train/imagesPerSecond`, each evaluation `evaluation/top1`, `top5`,
 * `loss`, the same of the averages, `emaTop1` …, and `evaluation/<metric>`. The file is complete after each evaluation and each epoch.
 *
 * @throws EffuseError EF404 where tfjs-node or its binding is missing, with the command that adds it; EF403 (folder).
 */
export const tensorBoard = async (folder: string): Promise<TensorBoardSink> => {
  if (typeof folder !== 'string' || folder === '')
    throw new EffuseError({
      code: 'EF403',
      message: `tensorBoard() takes the path of a folder, got ${showGiven(folder)}`,
      hint: "tensorBoard('runs/digits/tensorboard')",
    })
  const { scalar, flush } = await openSummaryWriter(folder)
  const write = (step: number, group: string, numbers: Numbers): void => {
    for (const [name, value] of numbers) if (value !== null) scalar(`${group}/${name}`, value, step)
  }
  return (event) => {
    if (event.kind === 'step') {
      const { step, loss, accuracy, learningRate, lossScale, imagesPerSecond } = event
      write(step, 'train', Object.entries({ loss, accuracy, learningRate, lossScale, imagesPerSecond }))
      if (event.stepInEpoch === event.stepsPerEpoch) flush()
    }
    if (event.kind === 'evaluation') {
      const { step, top1, top5, loss, emaTop1, emaTop5, emaLoss, metrics } = event
      write(step, 'evaluation', Object.entries({ top1, top5, loss, emaTop1, emaTop5, emaLoss, ...metrics }))
      flush()
    }
    if (event.kind === 'checkpoint') flush()
  }
}
