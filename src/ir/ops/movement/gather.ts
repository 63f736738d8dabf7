import { natural } from '../../attrs.ts'
import { noCost, type OpDef, type OpDoc, type OpVjp } from '../../op-def.ts'
import { elements, isFloat } from '../../types.ts'

export const gatherDoc: OpDoc = {
  summary: 'Slices along an axis by index: x [A..., N, B...], indices [I...] -> [A..., I..., B...].',
  constraints: [
    'C1: the axis exists',
    'C2: indices are int32',
    'C3: indices beyond the ends are clamped to them, in the gradient too',
  ],
  example: `graph example {
  %0 = input() {name="x"} : float32[4,2]
  %1 = input() {name="indices"} : int32[3]
  %2 = gather(%0, %1) {axis=0} : float32[3,2]
  return y = %2
}`,
}

export const gather: OpDef<'gather'> = {
  name: 'gather',
  level: 'primitive',
  arity: 2,
  attrs: { axis: natural },
  infer: ([x, indices], { axis }) =>
    axis >= x.shape.length
      ? `C1: axis ${axis} of a tensor of rank ${x.shape.length}`
      : indices.dtype !== 'int32'
        ? `C2: indices must be int32, got ${indices.dtype}`
        : [{ dtype: x.dtype, shape: [...x.shape.slice(0, axis), ...indices.shape, ...x.shape.slice(axis + 1)] }],
  evalRef: ({ inputs: [x, indices], attrs: { axis } }) => {
    const size = x.shape[axis] as number
    const outer = elements(x.shape.slice(0, axis))
    const inner = elements(x.shape.slice(axis + 1))
    const out = new Float64Array(outer * indices.data.length * inner)
    let at = 0
    for (let o = 0; o < outer; o++) {
      for (const index of indices.data) {
        const row = (o * size + Math.min(Math.max(index, 0), size - 1)) * inner
        out.set(x.data.subarray(row, row + inner), at)
        at += inner
      }
    }
    return [out]
  },
  amp: [{ class: 'clear', inputs: [0], outputs: [0] }],
  fusion: 'gather',
  tolerance: 'exact',
  cost: noCost,
}

export const gatherVjp: OpVjp<'gather'> = ({ outGrads: [g], inputs: [x, indices], attrs: { axis }, b }) => {
  if (!isFloat(x.dtype)) return [null, null]
  // Summing the rows of equal index is a matrix product with the one-hot matrix [I, N].
  const size = x.shape[axis] as number
  const [outer, inner, count] = [
    elements(x.shape.slice(0, axis)),
    elements(x.shape.slice(axis + 1)),
    elements(indices.shape),
  ]
  const clamped = b.minimum(b.maximum(b.reshape(indices, [count]), 0), size - 1)
  const hot = b.broadcast(b.oneHot(clamped, size, x.dtype), [outer, count, size])
  return [b.reshape(b.matmul(hot, b.reshape(g, [outer, count, inner]), { transposeA: true }), x.shape), null]
}
