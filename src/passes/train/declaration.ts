/**
 * What compile() knows of a training step. A step brings its pipeline with it, and compile() imports none of the passes for training, so a bundle
 * that declares no step does not have them.
 */
import type { Model } from '../../ir/model.ts'
import type { Pipeline } from '../pipeline.ts'
import type { BackendPasses, PassSwitches } from '../pipelines.ts'
import type { StepOptions } from './step.ts'

export interface Declaration {
  readonly options: StepOptions
  /** The model that the step trains. Its graph also has the variables that do not affect the loss, for example those of another head. */
  readonly trained: Model
  readonly pipeline: (backend: BackendPasses, switches: PassSwitches, options: StepOptions) => Pipeline
}

const declarations = new WeakMap<Model, Declaration>()
export const rememberStep = (step: Model, declaration: Declaration): void => void declarations.set(step, declaration)

/** The declaration of a training step; null for another kind of model. */
export const declarationOf = (model: Model): Declaration | null => declarations.get(model) ?? null
/** The options of a training step for the passes; null for another kind of model. */
export const stepOptionsOf = (model: Model): StepOptions | null => declarationOf(model)?.options ?? null
/** The model that a training step trains; null for another kind of model. */
export const trainedModelOf = (step: Model): Model | null => declarationOf(step)?.trained ?? null
