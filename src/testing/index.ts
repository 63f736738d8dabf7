/** Tools for tests of users' own ops, passes and backends. */
export { anyGraph, feedsFor, graphOfSteps, type GraphOptions, type GraphText, type Step } from './graphs.ts'
export { anyNumber, anySize, anyType } from './arbitraries.ts'
export {
  anyNetwork,
  anyTrainingStep,
  layerLists,
  networkOfLayers,
  stepOfLayers,
  stepOptions,
  type Layer,
  type Network,
} from './networks.ts'
export { anyPipeline, type PipelineText } from './pipelines.ts'
export { opCases, type CaseOp } from './cases/index.ts'
export { feedsOfCase, graphOfCase, type CaseInput, type CaseTable, type OpCase } from './op-case.ts'
export {
  conformance,
  type ConformanceFailure,
  type ConformanceOptions,
  type ConformanceReport,
  type Exclusion,
} from './conformance.ts'
export type { Arbitrary } from './fast-check.ts'
export { verifyKernel, type VerifyKernelOptions } from './verify/kernel.ts'
export { type PassVerification, verifyPass, type VerifyPassOptions } from './verify/pass.ts'
export { type GraphsVerification, verifyGraphs, type VerifyGraphsOptions } from './verify/graphs.ts'
export { type GraphVerification, type JudgedPart, verifyGraph, type VerifyGraphOptions } from './verify/graph.ts'
export { joined } from './verify/report.ts'
export type { Counterexample, Verification, VerificationFailure, VerifyOptions, Worst } from './verify/report.ts'
export type { Composite, OperandShapes } from './verify/kernel-cases.ts'
