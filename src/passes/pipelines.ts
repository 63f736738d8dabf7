/** The pipelines, as lists to read aloud. The reason for each place stands beside it. */
import type { Pass } from './pass.ts'
import { pipeline, type Pipeline } from './pipeline.ts'
import { cse } from './cse.ts'
import { dce } from './dce.ts'
import { foldBatchNorm } from './fold-batch-norm.ts'
import { foldConstants } from './fold-constants.ts'
import { hoistPrepare } from './hoist-prepare.ts'
import { simplify } from './simplify/index.ts'
import { toInference } from './to-inference.ts'

/** What the machine contributes. */
export interface BackendPasses {
  readonly legalize: readonly Pass[]
  readonly fuse: readonly Pass[]
}

export interface PipelineSwitches {
  /** Simplify, fold, hoist. */
  readonly simplify: boolean
  readonly fusion: boolean
}

/** Inference and everything else that updates nothing. */
export const inferencePipeline = (
  backend: BackendPasses,
  { simplify: simplified, fusion }: PipelineSwitches,
): Pipeline =>
  pipeline([
    toInference, //                       first: nothing below knows model-form ops
    ...(simplified
      ? [
          simplify,
          foldConstants,
          cse, //    on composites still: fewer nodes for all that follows
          foldBatchNorm, //                   before legalize, which takes batch norms apart
        ]
      : []),
    ...backend.legalize, //               composites that the backend has no kernel for
    ...(simplified
      ? [
          simplify,
          foldConstants,
          cse, //    again: decompositions bring new literals and repeats
        ]
      : []),
    dce,
    ...(simplified ? [hoistPrepare] : []), // after all that makes work on variables alone
    ...(fusion ? backend.fuse : []), //   last: needs final types and uses
  ])
