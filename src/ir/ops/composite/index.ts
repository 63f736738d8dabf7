import type { OpDef } from '../../op-def.ts'
import type { CompositeOps } from '../../signatures.ts'
import { batchNormGradient } from './batch-norm-gradient.ts'
import { batchNormInference } from './batch-norm-inference.ts'
import { batchNormTraining } from './batch-norm-training.ts'
import { batchNorm } from './batch-norm.ts'
import { dropout } from './dropout.ts'
import { logSoftmax } from './log-softmax.ts'
import { mean } from './mean.ts'
import { siluGradient } from './silu-gradient.ts'
import { silu } from './silu.ts'
import { softmaxCrossEntropyGradient } from './softmax-cross-entropy-gradient.ts'
import { softmaxCrossEntropy } from './softmax-cross-entropy.ts'
import { softmax } from './softmax.ts'
import { variance } from './variance.ts'

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
