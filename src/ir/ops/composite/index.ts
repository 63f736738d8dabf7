import type { OpDef, OpDoc } from '../../op-def.ts'
import type { CompositeOps } from '../../signatures.ts'
import { batchNormGradient, batchNormGradientDoc } from './batch-norm-gradient.ts'
import { batchNormInference, batchNormInferenceDoc } from './batch-norm-inference.ts'
import { batchNormTraining, batchNormTrainingDoc } from './batch-norm-training.ts'
import { batchNorm, batchNormDoc } from './batch-norm.ts'
import { dropout, dropoutDoc } from './dropout.ts'
import { logSoftmax, logSoftmaxDoc } from './log-softmax.ts'
import { mean, meanDoc } from './mean.ts'
import { siluGradient, siluGradientDoc } from './silu-gradient.ts'
import { silu, siluDoc } from './silu.ts'
import { softmaxCrossEntropyGradient, softmaxCrossEntropyGradientDoc } from './softmax-cross-entropy-gradient.ts'
import { softmaxCrossEntropy, softmaxCrossEntropyDoc } from './softmax-cross-entropy.ts'
import { softmax, softmaxDoc } from './softmax.ts'
import { variance, varianceDoc } from './variance.ts'

/** Ops with a decomposition into others, and model-form ops. */
export const compositeOps: { readonly [K in keyof CompositeOps]: OpDef<K> } = {
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

export const compositeDocs: { readonly [K in keyof CompositeOps]: OpDoc } = {
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
