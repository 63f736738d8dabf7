import { positive } from '../../attrs.ts'
import type { OpDef, OpDoc, OpVjp } from '../../op-def.ts'
import { elements, isFloat, showType } from '../../types.ts'
import { isLarger } from './arg-max.ts'

export const topKDoc: OpDoc = {
  summary: 'The k largest elements along the last axis, in descending order, and their indices.',
  constraints: [
    'C1: a numeric operand of rank 1 or more',
    'C2: k is not more than the last size',
    'C3: of equal elements the lowest index first',
    'C4: NaN counts as larger than everything',
  ],
  example: `graph example {
  %0 = input() {name="x"} : float32[2,5]
  %1:2 = topK(%0) {k=2} : float32[2,2], int32[2,2]
  return values = %1.0, indices = %1.1
}`,
}

export const topK: OpDef<'topK'> = {
  name: 'topK',
  level: 'primitive',
  arity: 1,
  attrs: { k: positive },
  infer: ([x], { k }) => {
    const last = x.shape.at(-1)
    if (last === undefined || x.dtype === 'bool')
      return `C1: a numeric operand of rank 1 or more is needed, got ${showType(x)}`
    if (k > last) return `C2: the ${k} largest of ${last}`
    const shape = [...x.shape.slice(0, -1), k]
    return [
      { dtype: x.dtype, shape },
      { dtype: 'int32', shape },
    ]
  },
  evalRef: ({ inputs: [x], attrs: { k } }) => {
    const size = x.shape.at(-1) as number
    const rows = x.data.length / size
    const values = new Float64Array(rows * k)
    const indices = new Float64Array(rows * k)
    for (let row = 0; row < rows; row++) {
      const slice = x.data.subarray(row * size, (row + 1) * size)
      const order = Array.from(slice, (_, i) => i).sort((i, j) => {
        const [a, b] = [slice[i] as number, slice[j] as number]
        return isLarger(a, b) ? -1 : isLarger(b, a) ? 1 : i - j
      })
      for (let i = 0; i < k; i++) {
        indices[row * k + i] = order[i] as number
        values[row * k + i] = slice[order[i] as number] as number
      }
    }
    return [values, indices]
  },
  amp: [{ class: 'clear', inputs: [0], outputs: [0] }],
  fusion: 'opaque',
  tolerance: 'exact',
  cost: ([x]) => ({ multiplyAdds: 0, operations: elements(x.shape) }),
}

export const topKVjp: OpVjp<'topK'> = ({ outGrads: [g], inputs: [x], outputs: [, indices], b }) => {
  if (g === null || !isFloat(x.dtype)) return [null]
  const size = x.shape.at(-1) as number
  const hot = b.oneHot(indices, size, x.dtype) // [..., k, size]
  const rank = hot.shape.length
  return [
    b.reduceSum(
      b.mul(
        hot,
        b.broadcast(
          g,
          hot.shape,
          g.shape.map((_, axis) => axis),
        ),
      ),
      [rank - 2],
    ),
  ]
}
