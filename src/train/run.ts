/** The shared state of a training run's parts. Only the last four fields change. */
import type { Model } from '../ir/model.ts'
import type { Optimizer } from '../passes/train/optimizers.ts'
import { EffuseError } from '../ir/diagnostics.ts'
import { bestName, stepName } from '../io/run-files.ts'
import type { CheckpointStore } from './checkpoint-store.ts'
import { runMetadata, writeCheckpoint } from './checkpoints.ts'
import type { Emitter } from './emitter.ts'
import type { Stage, TrainingEvent } from './events.ts'
import type { FitOptions, RunFigures } from './fit-options.ts'
import type { RunConfiguration, RunState } from './run-state.ts'
import type { StageRunner } from './stage-runner.ts'
import type { Throughput } from './throughput.ts'

export interface Run {
  readonly options: FitOptions
  readonly figures: RunFigures
  readonly stages: readonly Stage[]
  readonly configuration: RunConfiguration
  readonly optimizer: Optimizer
  readonly modelFor: (stage: Stage) => Model
  readonly emit: (event: TrainingEvent) => void
  readonly events: Emitter
  readonly throughput: Throughput
  state: RunState
  stage: Stage
  runner: StageRunner
  /** Name of the last checkpoint. */
  checkpoint: string | null
}

const keptByDefault = 3

/** Writes a checkpoint of the present state. The best is written first, because the numbered checkpoint records which was the best. */
export const saveCheckpoint = async (run: Run, isBest = false): Promise<void> => {
  const { checkpoints, keepCheckpoints = keptByDefault } = run.options
  if (checkpoints === undefined) return
  const { state, runner, configuration } = run
  // Weights, slots, averages, scale and step are variables; the run's position is metadata.
  const bytes = await runner.trainer.variables.save(undefined, {
    metadata: runMetadata(runner.model, state, configuration, run.options),
  })
  try {
    if (isBest) await checkpoints.write(bestName, bytes)
    run.checkpoint = await writeCheckpoint(checkpoints, state.step, bytes, keepCheckpoints)
  } catch (error) {
    throw await rescued(checkpoints, stepName(state.step), bytes, error)
  }
  run.emit({
    kind: 'checkpoint',
    name: run.checkpoint,
    step: state.step,
    epoch: state.epoch,
    bytes: bytes.length,
  })
  run.throughput.restart()
}

/** The error for a checkpoint that cannot be written. The trained state is saved elsewhere if possible. */
const rescued = async (store: CheckpointStore, name: string, bytes: Uint8Array, error: unknown): Promise<unknown> => {
  const place = await store.rescue?.(name, bytes).catch(() => null) // the first error is the one to report
  if (typeof place !== 'string' || !(error instanceof EffuseError)) return error
  return new EffuseError({
    ...{ code: error.code, path: error.path, diagnostics: error.diagnostics, cause: error },
    message: `${error.message}; the run is in ${place}`,
    hint: error.hint,
  })
}
