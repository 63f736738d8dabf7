/**
 * Elementwise ops of an image and a vector of few channels. On CPUs TensorFlow takes one short vector after another, which is as slow as single elements.
 * So the vector is repeated along a row of the image, and the op has long vectors.
 */
import { elements, sameShape } from '../../../ir/types.ts'
import type { FunctionBuilder } from '../function-builder.ts'
import type { Scope } from '../lowering.ts'
import type { TfType, TfValue } from '../types.ts'

/** A vector of so many float32 fills the largest register of a processor. */
const channelsBelow = 16
/** With fewer elements the repetition of the vector takes longer than it saves. */
const elementsLeast = 10_000

type Operands = readonly [TfValue, TfValue]

interface Rows {
  readonly operands: Operands
  /** [rows of the image, elements of a row] */
  readonly type: TfType
}

/** The op on rows of the image: the vector becomes [1, elements of a row]. Null if the op is another one. */
export const asRows = (operands: Operands, { dtype, shape }: TfType, scope: Scope, f: FunctionBuilder): Rows | null => {
  const [columns = 1, channels = 1] = shape.slice(-2)
  if (shape.length < 3 || columns === 1 || channels >= channelsBelow || elements(shape) < elementsLeast) return null
  const at = operands.findIndex((_, i) => scope.repeatedVector(i) !== null)
  const [vector, image] = [operands[at], operands[1 - at]]
  if (vector === undefined || image === undefined || !sameShape(image.shape, shape)) return null
  const row = columns * channels
  const repeated = f.reshape(f.broadcastTo(f.reshape(vector, [1, channels]), [columns, channels]), [1, row])
  const type = { dtype, shape: [elements(shape) / row, row] }
  const rows = f.reshape(image, type.shape)
  return { operands: at === 0 ? [repeated, rows] : [rows, repeated], type }
}
