/** Ops of the training step go by their own decompositions. */
import type { TrainingOps } from '../../../ir/signatures.ts'
import type { Lowering } from '../lowering.ts'

export const trainingLowering: { readonly [K in keyof TrainingOps]: Lowering<K> } = {
  rmsprop: 'decompose',
  sgd: 'decompose',
  adam: 'decompose',
  ema: 'decompose',
  allFinite: 'decompose',
  lossScaleUpdate: 'decompose',
}
