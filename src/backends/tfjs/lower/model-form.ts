/** Passes replace model-form ops before a backend gets a program. */
import type { ModelOps } from '../../../ir/signatures.ts'
import { unsupported, type Lowering } from '../lowering.ts'

const modelForm = unsupported('it is a model-form op; the pass to-inference or to-training replaces it')

export const modelLowering: { readonly [K in keyof ModelOps]: Lowering<K> } = {
  batchNorm: modelForm,
  dropout: modelForm,
}
