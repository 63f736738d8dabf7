/** Composites go by their own decompositions; the model's forms are gone before a backend sees the graph. */
import type { CompositeOps } from '../../../ir/signatures.ts'
import { unsupported, type Lowering } from '../lowering.ts'

export const modelForm = unsupported('it belongs to the model; the pass to-inference or to-training replaces it')

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
