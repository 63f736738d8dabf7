/** Progress of a training run for a person: a bar where one can be drawn, otherwise occasional lines. Events appear above the bar. */
import { now } from '#platform'
import type { ProgressBar, ProgressOutput } from '../platform/platform.ts'
import type { EvaluationEvent, StageEvent, StepEvent, TrainingEvent } from './events.ts'

export interface Progress {
  readonly onEvent: (event: TrainingEvent) => void
  /** A line above the bar. */
  readonly say: (line: string) => void
  /** Removes the bar. */
  readonly stop: () => void
}

/** Without a bar: milliseconds between lines. */
const plainEveryMs = 10_000

export interface ProgressOptions {
  /** Rows of one update. */
  readonly rowsPerUpdate: number
  readonly epochs: number
}

export const makeProgress = ({ say, bar }: ProgressOutput, { rowsPerUpdate, epochs }: ProgressOptions): Progress => {
  const line = bar === null ? plainLine(say) : barLine(say, bar)
  const onEvent = (event: TrainingEvent): void => {
    // Checkpoints are reported at the end: there is one per epoch.
    if (event.kind === 'step') line.step(event, stepWords(event, rowsPerUpdate, epochs))
    if (event.kind === 'evaluation') line.say(evaluationWords(event, epochs))
    if (event.kind === 'stage') for (const words of stageWords(event)) line.say(words)
    if (event.kind === 'notice') line.say(`note: ${event.message}`)
  }
  return { onEvent, say: line.say, stop: line.stop }
}

interface Line {
  readonly step: (event: StepEvent, words: string) => void
  readonly say: (text: string) => void
  readonly stop: () => void
}

const plainLine = (say: ProgressOutput['say']): Line => {
  let last: number | null = null
  return {
    step: (_, words) => {
      const at = now()
      if (last !== null && at - last < plainEveryMs) return
      last = at
      say(words)
    },
    say,
    stop: () => {},
  }
}

const barLine = (say: ProgressOutput['say'], bar: ProgressBar): Line => {
  let shown: { readonly event: StepEvent; readonly words: string } | null = null
  const start = ({ event: { position, steps }, words }: NonNullable<typeof shown>): void =>
    bar.start(steps, position, words)
  return {
    step: (event, long) => {
      const isFirst = shown === null
      const words = long.replace('update ', '')
      shown = { event, words }
      if (isFirst) start(shown)
      else bar.update(event.position, words)
    },
    say: (text) => {
      if (shown !== null) bar.stop() // clears its line
      say(text)
      if (shown !== null) start(shown)
    },
    stop: () => {
      if (shown !== null) bar.stop()
      shown = null
    },
  }
}

const stepWords = (event: StepEvent, rowsPerUpdate: number, epochs: number): string => {
  const { epoch, position, steps, loss, lossScale, imagesPerSecond, skippedSteps } = event
  const left = imagesPerSecond > 0 ? ((steps - position) * rowsPerUpdate) / imagesPerSecond : null
  return [
    `epoch ${epoch + 1}/${epochs}`,
    `update ${position}/${steps}`,
    `loss ${loss.toFixed(4)}`,
    `${imagesPerSecond.toFixed(imagesPerSecond < 10 ? 1 : 0)} images/s`,
    ...(lossScale === 1 ? [] : [`scale ${lossScale}`]),
    ...(skippedSteps === 0 ? [] : [`${skippedSteps} skipped`]),
    ...(left === null ? [] : [`${durationWords(left)} left`]),
  ].join('  ')
}

/** 1:02:03, or 2:03. */
export const durationWords = (seconds: number): string => {
  const whole = Math.round(seconds)
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60]
  const two = (n: number): string => String(n).padStart(2, '0')
  return hours > 0 ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`
}

export const percent = (share: number): string => `${(share * 100).toFixed(2)} %`

const evaluationWords = (
  { epoch, top1, loss, emaTop1, metrics, emaMetrics }: EvaluationEvent,
  epochs: number,
): string =>
  [
    `epoch ${epoch + 1}/${epochs}: test loss ${loss.toFixed(4)}`,
    Number.isNaN(top1) ? 'no accuracy' : `accuracy ${percent(top1)}`,
    ...(emaTop1 === null ? [] : [`of the averages ${Number.isNaN(emaTop1) ? 'none' : percent(emaTop1)}`]),
    ...Object.entries(emaMetrics ?? metrics).map(([name, value]) => `${name} ${Number(value.toPrecision(4))}`),
  ].join(', ')

const stageWords = ({ stage, epoch, backend, compileMs, step }: StageEvent): readonly string[] => {
  const { index, count, size, dropout, augmentation, mixup } = stage
  const settings = Object.entries({ size, dropout, augmentation, mixup }).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name} ${Number(value.toPrecision(4))}`],
  )
  return [
    ...(count === 1 ? [] : [`stage ${index + 1} of ${count}, from epoch ${epoch + 1}: ${settings.join(', ')}`]),
    ...(compileMs === 0 ? [] : [`compiled for ${backend} in ${(compileMs / 1000).toFixed(1)} s`]),
    ...(step === 0 || index > 0 ? [] : [`resuming after update ${step}`]),
  ]
}
