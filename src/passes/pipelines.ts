/** The pipelines, as lists of passes. A comment beside each pass gives the reason for its position. */
import { decomposeOps } from './decompose.ts'
import { differentiate } from './autodiff/differentiate.ts'
import type { Pass } from './pass.ts'
import { accumulate } from './train/accumulate.ts'
import { applyOptimizer } from './train/apply-optimizer.ts'
import { clip } from './train/clip.ts'
import { guardUpdates } from './train/guard-updates.ts'
import { learningRate } from './train/learning-rate.ts'
import { scaleLoss, unscale } from './train/loss-scale.ts'
import { movingAverages } from './train/moving-averages.ts'
import { ruleOf } from './train/optimizers.ts'
import type { StepOptions } from './train/step.ts'
import { weightDecay, weightDecayLoss } from './train/weight-decay.ts'
import { toTraining } from './to-training.ts'
import { pipeline, type Pipeline } from './pipeline.ts'
import { cse } from './cse.ts'
import { dce } from './dce.ts'
import { foldBatchNorm } from './fold-batch-norm.ts'
import { foldConstants } from './fold-constants.ts'
import { fuse } from './fuse.ts'
import { hoistPrepare } from './hoist-prepare.ts'
import { silentComposites } from './mixed-precision/silent-composites.ts'
import type { AmpSettings } from './mixed-precision/options.ts'
import { simplify } from './simplify/index.ts'
import { toInference } from './to-inference.ts'

/**
 * The names of all passes in registry.ts, also of those that are in no pipeline. For messages: a page needs no factories to name passes. A test
 * compares the two lists.
 */
export const passNames: readonly string[] = [
  'to-inference',
  'simplify',
  'fold-constants',
  'cse',
  'dce',
  'fold-batch-norm',
  'hoist-prepare',
  'fuse',
  'fusion',
  'amp',
  'to-training',
  'differentiate',
  'scale-loss',
  'unscale',
  'guard-updates',
  'weight-decay-loss',
  'learning-rate',
  'accumulate',
  'weight-decay',
  'clip',
  'apply-optimizer',
  'moving-averages',
  'decompose',
]

/** The machine's part of a pipeline. */
export interface BackendPasses {
  readonly legalize: readonly Pass[]
  readonly fuse: readonly Pass[]
}

/** The pass for mixed precision with its settings. Callers make it, because it is large and most programs do without. */
export interface Precision {
  readonly settings: AmpSettings
  readonly pass: Pass
}

export interface PassSwitches {
  /** Simplify, fold, hoist. */
  readonly simplify: boolean
  readonly fusion: boolean
  /** Null: none. */
  readonly precision: Precision | null
}

/** For inference, and for every other program without updates. */
export const inferencePasses = (
  backend: BackendPasses,
  { simplify: simplified, fusion, precision }: PassSwitches,
): Pipeline =>
  pipeline([
    toInference, //                       first: the passes below do not handle model-form ops
    ...(simplified
      ? [
          simplify,
          foldConstants,
          cse, //    before composites are decomposed: fewer nodes for the passes below
          foldBatchNorm, //                   before legalize, which decomposes batch norms
        ]
      : []),
    ...(precision === null ? [] : [precision.pass]), // before composites are decomposed: it classifies them as a whole
    ...backend.legalize, //               decomposes composites for which the backend has no kernel
    ...(simplified
      ? [
          simplify,
          foldConstants,
          cse, //    again: decompositions add literals and repeated nodes
        ]
      : []),
    dce,
    ...(simplified ? [hoistPrepare] : []), // after all passes that add work on variables alone
    fuse, //                              last: fusions need final types and uses
    ...(fusion ? backend.fuse : []),
  ])

/** For a training step. train/gradient-outputs.ts defines what each pass leaves for the next. */
export const trainingPasses = (
  backend: BackendPasses,
  { simplify: simplified, fusion, precision }: PassSwitches,
  step: StepOptions,
): Pipeline => {
  const {
    optimizer,
    weightDecay: lambda = 0,
    emaDecay,
    clipNorm,
    frozen,
    lossScale = 'auto',
    accumulate: steps = 1,
  } = step
  // float32 and bfloat16 have the range that gradients need, so 'auto' scales only for float16.
  const scale = lossScale !== 'auto' ? lossScale : precision?.settings.dtype === 'float16' ? 'dynamic' : 'none'
  return pipeline([
    toTraining({ frozen }), //                first: the passes below do not handle model-form ops
    // Users' composites become their bodies, except those that the options of mixed precision name.
    decomposeOps(['composite'], precision === null ? {} : silentComposites(precision.settings)),
    ...(simplified ? [simplify, foldConstants, cse, dce] : []), // fewer nodes to differentiate
    scaleLoss(scale),
    differentiate({ loss: 'scaledLoss', frozen }),
    unscale(scale), //                        adds the flag `finite`
    guardUpdates, //                          here the only updates are the statistics of this batch
    weightDecayLoss(lambda),
    learningRate(optimizer.learningRate),
    ...(steps === 1 ? [] : [accumulate(steps)]), // the passes below work on gradients, once per update
    weightDecay(lambda), //                   after unscale: float32, so mixed precision adds no casts
    ...(clipNorm === undefined ? [] : [clip(clipNorm)]), // clips the gradients that the optimizer gets
    applyOptimizer(ruleOf(optimizer), scale),
    ...(emaDecay === undefined ? [] : [movingAverages(emaDecay)]), // averages the new values of this step
    ...(simplified ? [simplify, foldConstants, cse] : []),
    ...(precision === null ? [] : [precision.pass]), // forward and backward are one graph, cut once
    ...backend.legalize,
    ...(simplified ? [simplify, foldConstants, cse] : []),
    dce,
    fuse,
    ...(fusion ? backend.fuse : []),
  ])
}
