/** The main entry of effuse, for Node and browsers. */
export type { Builder, VariableOptions } from './ir/build.ts'
export { apply, type ApplyOptions } from './ir/apply.ts'
export { graph, type Model, type Sizes } from './ir/model.ts'
export * from './ir/functions.ts'
export * as nn from './ir/nn.ts'
export {
  bfloat16,
  bool,
  float16,
  float32,
  int32,
  type Dim,
  type Image,
  type Scalar,
  type Signature,
  type TensorType,
  type Value,
  type Values,
} from './ir/value.ts'
export type { DType, Float, Graph, NodeId } from './ir/types.ts'
export type { Padding } from './ir/signatures.ts'
export type { CompositeKernels, TfjsKernel } from './ir/composite-kernels.ts'
export type { Initializer } from './ir/initializers.ts'
export { EffuseError, errorCodes, type Diagnostic, type ErrorCode } from './ir/diagnostics.ts'
export { type EvaluationOutputs, evaluationStep } from './passes/train/evaluation.ts'
export { crossEntropy, type Loss, loss } from './passes/train/losses.ts'
export type { Metric, Metrics } from './passes/train/metrics.ts'
export { adam, adamw, type Optimizer, rmsprop, sgd } from './passes/train/optimizers.ts'
export { cosine, exponential, linearCosine, piecewise, type Schedule, warmup } from './passes/train/schedules.ts'
export { type StepOptions, type StepOutputs, trainingStep } from './passes/train/step.ts'
export { gradients } from './passes/autodiff/gradients.ts'
export { compile } from './compile.ts'
export type { AmpFigures, MixedPrecision } from './executable/amp.ts'
export type { BackendName } from './backends/catalog.ts'
export type { CompileOptions, XlaSwitches } from './executable/options.ts'
export type { Executable } from './executable/executable.ts'
export type { Explanation } from './executable/explain.ts'
export type { PrecisionNote } from './passes/mixed-precision/explain.ts'
export type { Feed, Feeds, TensorLike } from './executable/feeds.ts'
export { read, type Arrays, type Item, type Result, type Results } from './executable/results.ts'
export type { LoadOptions, SaveOptions, VariableInfo, Variables } from './executable/variables.ts'
export type { WeightsKind } from './executable/model-weights.ts'
export type { WeightsSource } from './executable/weights-source.ts'
export {
  type EfficientNet,
  efficientNet,
  type EfficientNetFeatures,
  type EfficientNetOptions,
  type Variant,
  variants,
} from './models/efficientnet.ts'
export { openModel, type OpenedModel, type OpenedWeights, type OpenModelOptions } from './models/open-model.ts'
export { top, type TopEntry } from './models/top.ts'
export { fromPixels, type FromPixelsOptions, type PixelSource } from './pixels/from-pixels.ts'
export type { ResizeFilter } from './pixels/resample.ts'
export { doctor, type DoctorReport } from './inspect/doctor.ts'
export type { Recipe } from './recipes/recipe.ts'
export { resolveRecipe } from './recipes/resolve.ts'
export { recipeModel, type RecipeFitOptions, recipeOptions } from './recipes/run.ts'
export { memoryStore, type CheckpointStore, type StoreLock } from './train/checkpoint-store.ts'
export { evaluate, type EvaluateOptions } from './train/evaluate.ts'
export type { Confusion, Evaluation } from './train/evaluation-result.ts'
export type {
  CheckpointEvent,
  EvaluationEvent,
  NoticeEvent,
  Stage,
  StageEvent,
  StepEvent,
  TrainingEvent,
} from './train/events.ts'
export { fit } from './train/fit.ts'
export type { EarlyStop, FitOptions, ModelForStage, RunFigures } from './train/fit-options.ts'
export type { FitResult } from './train/fit-result.ts'
export { opfs } from './train/opfs.ts'
export type { Batch, BatchRequest, Column, DataSource } from './train/source.ts'
export { stagesOf, type StageSettings, type StagesOptions } from './train/stages.ts'
