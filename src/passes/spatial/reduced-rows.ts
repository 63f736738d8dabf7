/** Reductions over the rows of an image: each part reduces its own rows, and the results of the parts are combined. */
import type { OpEmitter } from '../../ir/emitter.ts'
import type { BinaryOp, OpAttrs } from '../../ir/signatures.ts'
import { elements, type Node, type Type } from '../../ir/types.ts'
import type { Value } from '../../ir/value.ts'
import { rowAxis } from './row-rules.ts'

/** Combines the images of the parts, each with the part's own rows. */
export type Combine = (images: readonly Value[], image: Type, b: OpEmitter) => Value

const combining = {
  reduceMax: 'maximum',
  reduceMin: 'minimum',
  reduceAll: 'and',
  reduceAny: 'or',
} as const satisfies { readonly [op: string]: BinaryOp }

const isCombining = (op: string): op is keyof typeof combining => Object.hasOwn(combining, op)

/** How a reduction of an image's rows is computed in parts; null if the node is none. Sums in half precision would be rounded once
 * for each part, and the product of a part may overflow where that of the image does not.
 */
export const reducesRows = (node: Node): Combine | null => {
  const { op, attrs, types } = node
  if (!('axes' in attrs) || !('keepDims' in attrs) || !attrs.axes.includes(rowAxis)) return null
  const [type] = types as readonly [Type]
  const reduced: Combine = (images, _, b) => {
    const join: BinaryOp = isCombining(op) ? combining[op] : 'add'
    const reductions = images.map((x) => b.emit1(op as 'reduceSum', [x], attrs as OpAttrs<'reduceSum'>)) // op and attributes are of one node
    return reductions.reduce((sum, x) => b.binary(join, sum, x))
  }
  if (op === 'reduceSum') return type.dtype === 'float32' || type.dtype === 'int32' ? reduced : null
  if (isCombining(op)) return reduced
  if (op !== 'mean') return null
  return (images, image, b) => {
    const { axes, keepDims } = attrs
    const sums = images.map((x) => b.reduceSum(b.cast(x, 'float32'), axes, keepDims))
    const size = elements(image.shape.filter((_, axis) => axes.includes(axis)))
    return b.cast(
      b.mul(
        sums.reduce((sum, x) => b.add(sum, x)),
        1 / size,
      ),
      type.dtype,
    )
  }
}
