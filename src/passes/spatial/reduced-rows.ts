/** Reductions over the rows of an image: each part reduces its own rows, and the results of the parts are combined. */
import type { OpEmitter } from '../../ir/emitter.ts'
import { reducedCount } from '../../ir/ops/reduction/shared.ts'
import type { BinaryOp, OpAttrs } from '../../ir/signatures.ts'
import { isHalf, type Node, type Type } from '../../ir/types.ts'
import type { Value } from '../../ir/value.ts'
import { rowAxis } from './row-rules.ts'

/** Combines the images of the parts, each with the part's own rows. */
export type Combine = (images: readonly Value[], image: Type, b: OpEmitter) => Value

const combining = {
  reduceSum: 'add',
  reduceMax: 'maximum',
  reduceMin: 'minimum',
  reduceAll: 'and',
  reduceAny: 'or',
} as const satisfies { readonly [op: string]: BinaryOp }

const isCombining = (op: string): op is keyof typeof combining => Object.hasOwn(combining, op)

/**
 * How a reduction of an image's rows is computed in parts; null if the node is none. Sums in half precision would be rounded once for each part, and the
 * product of a part may overflow where that of the image does not.
 */
export const reducesRows = (node: Node): Combine | null => {
  const { op, attrs, types } = node
  if (!('keepDims' in attrs) || !attrs.axes.includes(rowAxis)) return null
  const { dtype } = types[0] as Type // a reduction has one result
  if (op === 'mean')
    return (images, { shape }, b) => {
      const sums = images.map((x) => b.reduceSum(b.cast(x, 'float32'), attrs.axes, attrs.keepDims))
      const sum = sums.reduce((all, x) => b.add(all, x))
      return b.cast(b.mul(sum, 1 / reducedCount(shape, attrs.axes)), dtype)
    }
  if (!isCombining(op) || (op === 'reduceSum' && isHalf(dtype))) return null
  return (images, _, b) => {
    // The attributes are those of the op.
    const reductions = images.map((x) => b.emit1(op as 'reduceSum', [x], attrs as OpAttrs<'reduceSum'>))
    return reductions.reduce((all, x) => b.binary(combining[op], all, x))
  }
}
