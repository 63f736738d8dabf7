/**
 * Results of convolutions that are computed as matrices [rows, channels]. TensorFlow fuses a product with a bias and an activation only if no Reshape is
 * between them, so these work on the matrix, too.
 */
import type { FunctionBuilder } from '../function-builder.ts'
import type { Scope } from '../lowering.ts'
import type { TfType, TfValue } from '../types.ts'

interface Around {
  readonly f: FunctionBuilder
  readonly scope: Scope
}

/** The value with the shape of the type, and a note of its matrix. */
export const ofMatrix = (matrix: TfValue, { shape }: TfType, f: FunctionBuilder, scope: Scope): TfValue => {
  const value = f.reshape(matrix, shape)
  if (value !== matrix) scope.matrices.set(value.ref, matrix)
  return value
}

/** Computes an op along channels, or elementwise: on the matrix of the value if there is one. */
export const onMatrix = (
  x: TfValue,
  type: TfType,
  { f, scope }: Around,
  compute: (x: TfValue, type: TfType) => TfValue,
): TfValue => {
  const matrix = scope.matrices.get(x.ref)
  return matrix === undefined
    ? compute(x, type)
    : ofMatrix(compute(matrix, { dtype: type.dtype, shape: matrix.shape }), type, f, scope)
}
