/** The state of a run: what a checkpoint has besides variables. No part of it depends on the clock, so equal runs have equal files. */
import { type Check, isCount, isNatural, names, natural, count } from '../ir/check-record.ts'
import { showGiven } from '../ir/diagnostics.ts'
import { accumulateNames } from '../passes/train/accumulate.ts'
import { stepName } from '../passes/train/state.ts'

export interface RunState {
  /** The current epoch, from 0; `epochs` when all are finished. */
  readonly epoch: number
  /** Finished micro-batches of that epoch. */
  readonly batchInEpoch: number
  /** Updates, including skipped ones. */
  readonly step: number
  /** Runs of the step's executable: the position in the random streams. */
  readonly runIndex: number
  readonly skippedSteps: number
  readonly skippedInRow: number
  /** Sums of the current update. */
  readonly pending: Pending
  /** Of the last update. */
  readonly loss: number | null
  readonly lossScale: number
  readonly top1: number | null
  readonly emaTop1: number | null
  readonly best: { readonly epoch: number; readonly top1: number } | null
  /** The hash of the first batch, and the request for it: a resumed run repeats the request. Files of earlier versions have none. */
  readonly firstBatch?: FirstBatch | undefined
  /** The model of the stage that was trained last. */
  readonly model?: { readonly stage: number; readonly fingerprint: string } | undefined
  /** The last evaluation with an improvement that EarlyStop counts. */
  readonly lastGain: { readonly epoch: number; readonly top1: number } | null
}

export interface FirstBatch {
  readonly fingerprint: string
  readonly batch: number
  readonly size?: readonly [height: number, width: number] | undefined
  readonly augmentation?: number | undefined
}

/** Sums over the micro-batches of an update. */
export interface Pending {
  readonly batches: number
  readonly loss: number
  readonly correct: number
}

/** Properties that a resumed run must share. */
export interface RunConfiguration {
  readonly seed: number
  readonly batch: number
  readonly accumulate: number
  readonly classes: readonly string[]
  readonly length: number
}

export const noPending: Pending = { batches: 0, loss: 0, correct: 0 }
export const startState: RunState = {
  epoch: 0,
  batchInEpoch: 0,
  step: 0,
  runIndex: 0,
  skippedSteps: 0,
  skippedInRow: 0,
  pending: noPending,
  loss: null,
  lossScale: 1,
  top1: null,
  emaTop1: null,
  best: null,
  lastGain: null,
}

/** JSON has no NaN and no infinities; a loss may be either. */
export const stateText = (state: RunState, configuration: RunConfiguration): string =>
  JSON.stringify({ version: 1, state, configuration }, (_, value) =>
    typeof value === 'number' && !Number.isFinite(value) ? { number: String(value) } : value,
  )

/**
 * Reads the text of a state and checks each field: a run must resume only from a state that a run wrote.
 * @returns A description of the fault, if it is not a valid state.
 */
export const parseState = (
  text: string,
): { readonly state: RunState; readonly configuration: RunConfiguration } | string => {
  const found = parsed(text)
  if (!isRecord(found) || found['version'] !== 1) return 'it is not of version 1'
  const { state, configuration } = found
  const fault = faultIn('configuration', configuration, configurationChecks) ?? faultIn('state', state, stateChecks)
  if (fault !== null) return fault
  const both = { state: state as RunState, configuration: configuration as RunConfiguration } // the tables check it
  return disagreement(both.state, both.configuration) ?? both
}

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text, (_, value) =>
      typeof value === 'object' && value !== null && typeof value.number === 'string' ? Number(value.number) : value,
    )
  } catch {
    return null
  }
}
const isRecord = (value: unknown): value is { readonly [name: string]: unknown } =>
  typeof value === 'object' && value !== null

type Checks<T> = { readonly [K in keyof Required<T>]: Check }

/** Losses may be NaN or infinite. */
const number: Check = ['a number', (v) => typeof v === 'number']
const share = (v: unknown): boolean => typeof v === 'number' && v >= 0 && v <= 1
const orNull = ([expects, accepts]: Check): Check => [`${expects}, or null`, (v) => v === null || accepts(v)]
const orAbsent = ([expects, accepts]: Check): Check => [expects, (v) => v === undefined || accepts(v)]
const gain: Check = [
  '{ epoch, top1 }, top1 from 0 to 1',
  (v) => isRecord(v) && isNatural(v['epoch']) && share(v['top1']),
]

const stateChecks: Checks<RunState> = {
  epoch: natural,
  batchInEpoch: natural,
  step: natural,
  runIndex: natural,
  skippedSteps: natural,
  skippedInRow: natural,
  pending: [
    '{ batches, loss, correct }',
    (v) => isRecord(v) && isNatural(v['batches']) && typeof v['loss'] === 'number' && isNatural(v['correct']),
  ],
  loss: orNull(number),
  lossScale: ['a positive number', (v) => typeof v === 'number' && v > 0 && v < Infinity],
  top1: orNull(['a share from 0 to 1', share]),
  emaTop1: orNull(['a share from 0 to 1', share]),
  best: orNull(gain),
  lastGain: orNull(gain),
  firstBatch: orAbsent([
    '{ fingerprint, batch, size?, augmentation? }',
    (v) =>
      isRecord(v) &&
      typeof v['fingerprint'] === 'string' &&
      isCount(v['batch']) &&
      (v['size'] === undefined || (Array.isArray(v['size']) && v['size'].length === 2 && v['size'].every(isCount))) &&
      (v['augmentation'] === undefined || (typeof v['augmentation'] === 'number' && v['augmentation'] >= 0)),
  ]),
  model: orAbsent([
    '{ stage, fingerprint }',
    (v) => isRecord(v) && isNatural(v['stage']) && typeof v['fingerprint'] === 'string',
  ]),
}
const configurationChecks: Checks<RunConfiguration> = {
  seed: natural,
  batch: count,
  accumulate: count,
  classes: names,
  length: count,
}

const faultIn = (what: string, value: unknown, checks: { readonly [name: string]: Check }): string | null => {
  if (!isRecord(value)) return `its ${what} is ${showGiven(value)}`
  for (const [name, [expects, accepts]] of Object.entries(checks))
    if (!accepts(value[name])) return `${what}.${name} must be ${expects}, it is ${showGiven(value[name])}`
  return null
}

/** Fields that are valid separately but contradict each other. */
const disagreement = (state: RunState, { accumulate }: RunConfiguration): string | null => {
  const { step, runIndex, skippedSteps, skippedInRow, pending, epoch, best, lastGain } = state
  const later = [best, lastGain].find((gained) => gained !== null && gained.epoch >= epoch)
  return pending.batches >= accumulate
    ? `${pending.batches} micro-batches wait for an update of ${accumulate}`
    : skippedSteps > step || skippedInRow > skippedSteps
      ? `${skippedSteps} of ${step} updates were skipped, ${skippedInRow} of them in a row`
      : runIndex < step
        ? `${step} updates were made in ${runIndex} runs`
        : later !== undefined && later !== null
          ? `the evaluation of epoch ${later.epoch} was the best, but the run is in epoch ${epoch}`
          : null
}

/** The values that the counters among the variables must have. */
export const countersOf = ({ step, skippedSteps, pending }: RunState): { readonly [variable: string]: number } => ({
  [stepName]: step - skippedSteps, // a skipped update does not change it
  [accumulateNames.count]: pending.batches,
})
