/** Composites run by their decompositions. Passes have replaced model-form ops before. */
import type { CompositeOps } from '../../../ir/signatures.ts'
import { unsupported, type Lowering } from '../lowering.ts'

export const modelForm = unsupported('it is a model-form op; the pass to-inference or to-training replaces it')

export const compositeLowering: { readonly [K in keyof CompositeOps]: Lowering<K> } = {
  batchNorm: modelForm,
  // tfjs-wasm's FusedBatchNorm is slower than the product and the sum.
  batchNormInference: 'decompose',
  batchNormTraining: 'decompose',
  batchNormGradient: 'decompose',
  dropout: modelForm,
  silu: 'decompose',
  siluGradient: 'decompose',
  softmax: 'decompose',
  logSoftmax: 'decompose',
  softmaxCrossEntropy: 'decompose',
  softmaxCrossEntropyGradient: 'decompose',
  mean: 'decompose',
  variance: 'decompose',
}
