/** Passes replace model-form ops before a backend gets a program. */
import type { ModelOps } from '../../../ir/signatures.ts'
import { missingPass } from '../../common/missing-pass.ts'
import { unsupported, type Lowering, type Unsupported } from '../lowering.ts'

const modelForm = (op: keyof ModelOps): Unsupported => {
  const { reason, hint } = missingPass(op)
  return unsupported(reason, hint)
}

export const modelLowering: { readonly [K in keyof ModelOps]: Lowering<K> } = {
  batchNorm: modelForm('batchNorm'),
  dropout: modelForm('dropout'),
}
