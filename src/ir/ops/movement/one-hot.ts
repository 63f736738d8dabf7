import { dtype, positive, withDefault } from '../../attrs.ts'
import { noCost, type OpDef, type OpDoc, type OpVjp } from '../../op-def.ts'

export const oneHotDoc: OpDoc = {
  summary: '1 at the index, 0 elsewhere, along a new last axis of size depth.',
  constraints: ['C1: indices are int32', 'C2: an index outside 0..depth-1 gives a row of zeros'],
  example: `graph example {
  %0 = input() {name="label"} : int32[2]
  %1 = oneHot(%0) {depth=3} : float32[2,3]
  return y = %1
}`,
}

export const oneHot: OpDef<'oneHot'> = {
  name: 'oneHot',
  level: 'primitive',
  arity: 1,
  attrs: { depth: positive, dtype: withDefault(dtype, 'float32') },
  infer: ([indices], { depth, dtype: type }) =>
    indices.dtype === 'int32'
      ? [{ dtype: type, shape: [...indices.shape, depth] }]
      : `C1: indices must be int32, got ${indices.dtype}`,
  evalRef: ({ inputs: [indices], attrs: { depth } }) => {
    const out = new Float64Array(indices.data.length * depth)
    indices.data.forEach((index, i) => {
      if (index >= 0 && index < depth) out[i * depth + index] = 1
    })
    return [out]
  },
  amp: [],
  fusion: 'elementwise',
  tolerance: 'exact',
  cost: noCost,
}

export const oneHotVjp: OpVjp<'oneHot'> = 'zero'
