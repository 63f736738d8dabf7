/** Weights and literals become tensors in the file. */
import { hostArrayOf } from '../../../backends/backend.ts'
import type { SourceOps } from '../../../ir/signatures.ts'
import type { Lowering } from '../lowering.ts'
import { unsupported } from '../lowering.ts'

/** encode.ts makes inputs, variables and constants, since it has their values. */
const given = unsupported('encode.ts adds it before the nodes')

export const sourceLowering: { readonly [K in keyof SourceOps]: Lowering<K> } = {
  input: given,
  variable: given,
  constant: given,
  iota: ({ attrs: { axis }, types: [type], plan }) => {
    const size = type.shape[axis] ?? 1
    const shape = type.shape.map((_, i) => (i === axis ? size : 1))
    return [
      plan.known(
        type,
        hostArrayOf(
          type.dtype,
          Array.from({ length: size }, (_, i) => i),
        ),
        '',
        shape,
      ),
    ]
  },
  randomUniform: unsupported("the random operators of ONNX do not give the numbers of effuse's streams"),
}
