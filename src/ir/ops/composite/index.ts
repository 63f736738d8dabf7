import type { CompositeDef, OpDef, OpDoc, OpVjp } from '../../op-def.ts'
import type { CompositeOps, ModelOps } from '../../signatures.ts'
import { batchNormGradient, batchNormGradientDoc, batchNormGradientVjp } from './batch-norm-gradient.ts'
import { batchNormInference, batchNormInferenceDoc, batchNormInferenceVjp } from './batch-norm-inference.ts'
import { batchNormTraining, batchNormTrainingDoc, batchNormTrainingVjp } from './batch-norm-training.ts'
import { batchNorm, batchNormDoc, batchNormVjp } from './batch-norm.ts'
import { dropout, dropoutDoc, dropoutVjp } from './dropout.ts'
import { logSoftmax, logSoftmaxDoc, logSoftmaxVjp } from './log-softmax.ts'
import { mean, meanDoc, meanVjp } from './mean.ts'
import { siluGradient, siluGradientDoc, siluGradientVjp } from './silu-gradient.ts'
import { silu, siluDoc, siluVjp } from './silu.ts'
import {
  softmaxCrossEntropyGradient,
  softmaxCrossEntropyGradientDoc,
  softmaxCrossEntropyGradientVjp,
} from './softmax-cross-entropy-gradient.ts'
import { softmaxCrossEntropy, softmaxCrossEntropyDoc, softmaxCrossEntropyVjp } from './softmax-cross-entropy.ts'
import { softmax, softmaxDoc, softmaxVjp } from './softmax.ts'
import { variance, varianceDoc, varianceVjp } from './variance.ts'

type ModelDefs = { readonly [K in keyof ModelOps]: OpDef<K> }
type CompositeDefs = { readonly [K in keyof CompositeOps]: CompositeDef<K> }

/** Ops that decompose into others, and model-form ops. */
export const compositeOps: ModelDefs & CompositeDefs = {
  batchNormGradient,
  batchNormInference,
  batchNormTraining,
  batchNorm,
  dropout,
  logSoftmax,
  mean,
  siluGradient,
  silu,
  softmaxCrossEntropyGradient,
  softmaxCrossEntropy,
  softmax,
  variance,
}

export const compositeDocs: { readonly [K in keyof (ModelOps & CompositeOps)]: OpDoc } = {
  batchNormGradient: batchNormGradientDoc,
  batchNormInference: batchNormInferenceDoc,
  batchNormTraining: batchNormTrainingDoc,
  batchNorm: batchNormDoc,
  dropout: dropoutDoc,
  logSoftmax: logSoftmaxDoc,
  mean: meanDoc,
  siluGradient: siluGradientDoc,
  silu: siluDoc,
  softmaxCrossEntropyGradient: softmaxCrossEntropyGradientDoc,
  softmaxCrossEntropy: softmaxCrossEntropyDoc,
  softmax: softmaxDoc,
  variance: varianceDoc,
}

export const compositeVjps: { readonly [K in keyof (ModelOps & CompositeOps)]: OpVjp<K> } = {
  batchNormGradient: batchNormGradientVjp,
  batchNormInference: batchNormInferenceVjp,
  batchNormTraining: batchNormTrainingVjp,
  batchNorm: batchNormVjp,
  dropout: dropoutVjp,
  logSoftmax: logSoftmaxVjp,
  mean: meanVjp,
  siluGradient: siluGradientVjp,
  silu: siluVjp,
  softmaxCrossEntropyGradient: softmaxCrossEntropyGradientVjp,
  softmaxCrossEntropy: softmaxCrossEntropyVjp,
  softmax: softmaxVjp,
  variance: varianceVjp,
}
