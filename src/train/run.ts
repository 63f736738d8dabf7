/** A training run while it goes on: what its parts share. Only the last four change. */
import type { Model } from '../ir/model.ts'
import type { Optimizer } from '../passes/train/optimizers.ts'
import { encodeCheckpoint, writeCheckpoint, bestName } from './checkpoints.ts'
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
  readonly throughput: Throughput
  state: RunState
  stage: Stage
  runner: StageRunner
  /** Name of the last checkpoint. */
  checkpoint: string | null
}

const keptByDefault = 3

/** Writes a checkpoint of this moment; as the best, too, and that first: the numbered one says which was the best. */
export const saveCheckpoint = async (run: Run, isBest = false): Promise<void> => {
  const { checkpoints, keepCheckpoints = keptByDefault, metadata } = run.options
  if (checkpoints === undefined) return
  const { state, runner, configuration } = run
  const bytes = await encodeCheckpoint(runner.trainer.variables, runner.model, state, configuration, metadata)
  if (isBest) await checkpoints.write(bestName, bytes)
  run.checkpoint = await writeCheckpoint(checkpoints, state.step, bytes, keepCheckpoints)
  run.emit({
    kind: 'checkpoint',
    name: run.checkpoint,
    step: state.step,
    epoch: state.epoch,
    bytes: bytes.length,
  })
  run.throughput.restart()
}
