/** `metrics.jsonl` of a run: a line of JSON for each logged step and each evaluation. */
import { ftruncateSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileError } from '../../platform/node-file-error.ts'
import { withFile } from '../../platform/node-regular-file.ts'
import type { EvaluationEvent, StepEvent } from '../../train/events.ts'

export interface Metrics {
  /** Removes the lines of updates that a resumed run repeats, and an incomplete line. */
  goOnFrom(step: number): void
  step(event: StepEvent): void
  evaluation(event: EvaluationEvent): void
}

export const metricsName = 'metrics.jsonl'

/** @param every Updates between logged steps. The first and the last of an epoch are always logged. */
export const openMetrics = (folder: string, every: number): Metrics => {
  const path = join(folder, metricsName)
  const append = (line: object): void =>
    attempt(path, () => withFile(path, 'append', (file) => writeFileSync(file, `${JSON.stringify(line)}\n`)))
  return {
    goOnFrom: (step) => attempt(path, () => withFile(path, 'change', (file) => dropAfter(file, step))),
    step: ({ step, epoch, loss, learningRate, lossScale, imagesPerSecond, stepInEpoch, stepsPerEpoch, finite }) => {
      if (step % every !== 0 && step !== 1 && stepInEpoch !== stepsPerEpoch) return
      append({ step, epoch, loss, learningRate, lossScale, imagesPerSecond: rounded(imagesPerSecond), finite })
    },
    evaluation: ({ epoch, step, top1, top5, loss, emaTop1, emaTop5, emaLoss, metrics, emaMetrics }) => {
      const own = Object.keys(metrics).length === 0 ? {} : { metrics, emaMetrics }
      append({ epoch, step, top1, top5, loss, emaTop1, emaTop5, emaLoss, ...own })
    },
  }
}

const rounded = (x: number): number => Math.round(x * 10) / 10

const attempt = (path: string, work: () => void): void => {
  try {
    work()
  } catch (error) {
    throw fileError(error, path, 'write')
  }
}

/** Lines are in the order of steps, so the end of the file is removed. */
const dropAfter = (file: number, step: number): void => {
  const text = readFileSync(file, 'utf8')
  let kept = 0
  for (let from = 0; ; ) {
    const end = text.indexOf('\n', from)
    if (end < 0) break // no newline: the process ended within the line
    const at = stepOf(text.slice(from, end))
    if (at === null || at > step) break
    from = end + 1
    kept = from
  }
  if (kept < text.length) ftruncateSync(file, Buffer.byteLength(text.slice(0, kept)))
}

const stepOf = (line: string): number | null => {
  try {
    const found: unknown = JSON.parse(line)
    return typeof found === 'object' && found !== null && 'step' in found && typeof found.step === 'number'
      ? found.step
      : null
  } catch {
    return null
  }
}
