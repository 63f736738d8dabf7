/** For tests of one's own ops, passes and backends. */
export { anyGraph, feedsFor, graphOfSteps, type GraphOptions, type GraphText, type Step } from './graphs.ts'
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
