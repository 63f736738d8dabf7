/** The entry for compiler work: the IR, its text form, passes and backends. */
export { print, printNode, printBody, hashBody, hashGraph, type PrintOptions } from './ir/print.ts'
export { parse, parseAll, type ParseOptions } from './ir/parse.ts'
export { verify, verifyOrThrow, type Stage } from './ir/verify.ts'
export { interpret, type InterpretOptions, type Interpretation, type Mode, type Numbers } from './ir/interpret.ts'
export { costOf, nodeCost } from './ir/cost.ts'
export { Edit, passError, type From } from './ir/edit.ts'
export { OpEmitter } from './ir/emitter.ts'
export * from './ir/graph.ts'
export { setSideTables, sideTables, type Origin, type SideTables } from './ir/side-tables.ts'
export { makeConstantPool, type Constant, type ConstantPool } from './ir/constants.ts'
export { isOpName, opNames } from './ir/ops/index.ts'
export {
  type AnyDescribedOp as AnyOpDef,
  type DescribedOp as OpDef,
  describedOp as opDef,
  describedOps as opDefs,
} from './ir/ops/described.ts'
export type { AmpClass, Cost, FusionClass, Level, OpDoc, PortClass, RefTensor } from './ir/op-def.ts'
export type { OpAttrs, OpName, OpSignatures, Tolerance } from './ir/signatures.ts'
export {
  showType,
  sameType,
  sameShape,
  elements,
  sizeBytes,
  isFloat,
  nodeId,
  dtypes,
  type DType,
  type Float,
  type Graph,
  type Node,
  type NodeId,
  type Output,
  type Ref,
  type Type,
  type Update,
} from './ir/types.ts'
export { type FusionKind, genericTarget, ieeeOps, type MemoryConstraints, type TargetInfo } from './ir/target.ts'
export { emitRegion, regionGraph, type BodyFunction } from './ir/region.ts'
export { normalForm, toBody, type LiftedLiteral, type MadeBody } from './ir/body.ts'
export {
  definePass,
  isProgramPass,
  type GraphPass,
  type Pass,
  type PassContext,
  type Phase,
  type ProgramPass,
  type Preserves,
} from './passes/pass.ts'
export {
  type CollectiveStep,
  type Condition,
  type CrossingValue,
  findGraph,
  graphOf,
  type GraphStep,
  graphStep,
  graphSteps,
  mapGraphs,
  type Program,
  programOf,
  replaceStep,
  type Step,
  type Traffic,
  traffic,
} from './passes/program.ts'
export { parseProgram, printProgram } from './passes/program-text.ts'
export { verifyProgram } from './passes/verify-program.ts'
export { meaningJudge, type Judge } from './passes/judge.ts'
export { pipeline, passText, type Pipeline } from './passes/pipeline.ts'
export {
  runPipeline,
  type Checked,
  type PassRecord,
  type PipelineResult,
  type Reproducer,
  type RunnerOptions,
} from './passes/runner.ts'
export { parsePipeline, passFactories, type PassFactory, type PassOptions } from './passes/registry.ts'
export type { BackendPasses } from './passes/pipelines.ts'
export { inferencePipeline, type PipelineSwitches } from './passes/standard-pipelines.ts'
export { rule, splatOf, type Match, type Rule } from './passes/rewrite/rules.ts'
export { rewrite, rulePass } from './passes/rewrite/driver.ts'
export { simplify, simplifyRules } from './passes/simplify/index.ts'
export { cse } from './passes/cse.ts'
export { dce } from './passes/dce.ts'
export { decompose } from './passes/decompose.ts'
export { foldBatchNorm } from './passes/fold-batch-norm.ts'
export { foldConstants } from './passes/fold-constants.ts'
export { hoistPrepare } from './passes/hoist-prepare.ts'
export { amp } from './passes/mixed-precision/amp.ts'
export type { AmpOptions, AmpSettings } from './passes/mixed-precision/options.ts'
export { type AmpDecision, type AmpReport, decisionOf } from './passes/mixed-precision/report.ts'
export { minimumCut, type MinimumCut } from './passes/mixed-precision/min-cut.ts'
export { castsOf, paint, type PaintOptions } from './passes/mixed-precision/painting.ts'
export {
  priceOf,
  type Assignment,
  type Edge,
  type PortGraph,
  type Price,
  type Vertex,
} from './passes/mixed-precision/port-graph.ts'
export { checkPlan, type PlanFault, type PlanRule } from './passes/memory/check-plan.ts'
export { type GraphProblem, memoryProblemOf, type ScheduledGraph, scheduleGraph } from './passes/memory/from-graph.ts'
export type { MemoryPlan, Move, Place } from './passes/memory/plan.ts'
export { planMemory } from './passes/memory/plan-memory.ts'
export type { Commit, MemoryProblem, Overwrite, PlannedStep, PlannedValue } from './passes/memory/problem.ts'
export { schedule, type Schedule, type ScheduleRule } from './passes/memory/schedule.ts'
export { toInference } from './passes/to-inference.ts'
export type {
  Backend,
  Communicator,
  CompileContext,
  DeviceLoss,
  Engine,
  DeviceTensor,
  FeedTensor,
  HostArray,
  HostTensor,
  PlanFigures,
  ProfileRow,
  RunContext,
  Runnable,
  Store,
  StoreTurn,
} from './backends/backend.ts'
export { referenceBackend, type ReferenceOptions } from './backends/reference/index.ts'
export { differentiate, type DifferentiateOptions, gradientPrefix } from './passes/autodiff/differentiate.ts'
export { type GradientTarget, reverse } from './passes/autodiff/reverse.ts'
export { toTraining, type ToTrainingOptions } from './passes/to-training.ts'
