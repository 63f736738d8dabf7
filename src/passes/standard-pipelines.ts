/** The pipelines for settings as plain data. compile() takes the lists in pipelines.ts and loads mixed precision when a program asks for it. */
import type { AmpSettings } from './mixed-precision/options.ts'
import { precisionOf } from './mixed-precision/amp.ts'
import type { Pipeline } from './pipeline.ts'
import { type BackendPasses, inferencePasses, type PassSwitches, trainingPasses } from './pipelines.ts'
import type { StepOptions } from './train/step.ts'

export interface PipelineSwitches {
  /** Simplify, fold, hoist. */
  readonly simplify: boolean
  readonly fusion: boolean
  /** Mixed precision; absent or null: none. */
  readonly amp?: AmpSettings | null | undefined
}

const passSwitches = ({ simplify, fusion, amp = null }: PipelineSwitches): PassSwitches => ({
  simplify,
  fusion,
  precision: amp === null ? null : precisionOf(amp),
})

/** For inference, and for every other program without updates. */
export const inferencePipeline = (backend: BackendPasses, switches: PipelineSwitches): Pipeline =>
  inferencePasses(backend, passSwitches(switches))

/** For a training step. */
export const trainingPipeline = (backend: BackendPasses, switches: PipelineSwitches, step: StepOptions): Pipeline =>
  trainingPasses(backend, passSwitches(switches), step)
