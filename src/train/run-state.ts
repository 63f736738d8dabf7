/** Where a run stands: what a checkpoint holds besides variables. Nothing of it depends on the clock, so equal runs have equal files. */

export interface RunState {
  /** The pass over the data that goes on, from 0; `epochs` when all are done. */
  readonly epoch: number
  /** Micro-batches of that pass that are done. */
  readonly batchInEpoch: number
  /** Updates tried. */
  readonly step: number
  /** Runs of the step's executable: the position in the random streams. */
  readonly runIndex: number
  readonly skippedSteps: number
  readonly skippedInRow: number
  /** Of the update that is being accumulated. */
  readonly pending: Pending
  /** Of the last update. */
  readonly loss: number | null
  readonly lossScale: number
  readonly top1: number | null
  readonly emaTop1: number | null
  readonly best: { readonly epoch: number; readonly top1: number } | null
  /** The last evaluation that was better by enough for the run to go on (EarlyStop). */
  readonly lastGain: { readonly epoch: number; readonly top1: number } | null
}

/** Sums over the micro-batches of an update. */
export interface Pending {
  readonly batches: number
  readonly loss: number
  readonly correct: number
}

/** What the run was made for; a run that goes on must agree. */
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

/** Null where the text is none of ours. */
export const parseState = (
  text: string,
): { readonly state: RunState; readonly configuration: RunConfiguration } | null => {
  try {
    const found: unknown = JSON.parse(text, (_, value) =>
      typeof value === 'object' && value !== null && typeof value.number === 'string' ? Number(value.number) : value,
    )
    if (!isRecord(found) || found['version'] !== 1) return null
    const { state, configuration } = found
    if (!isRecord(state) || !isRecord(configuration)) return null
    const counts = [state['epoch'], state['batchInEpoch'], state['step'], state['runIndex']]
    const isWhole =
      counts.every((n) => Number.isSafeInteger(n) && Number(n) >= 0) &&
      isRecord(state['pending']) &&
      Array.isArray(configuration['classes']) &&
      Number.isSafeInteger(configuration['seed'])
    return isWhole
      ? { state: state as unknown as RunState, configuration: configuration as unknown as RunConfiguration } // as this version writes them
      : null
  } catch {
    return null
  }
}
const isRecord = (value: unknown): value is { readonly [name: string]: unknown } =>
  typeof value === 'object' && value !== null
