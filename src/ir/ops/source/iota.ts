import { dtype, natural, sizes } from '../../attrs.ts'
import { noCost, type OpDef, type OpDoc, type OpVjp } from '../../op-def.ts'
import { elements } from '../../types.ts'
import { stridesOf } from '../shape.ts'

export const iotaDoc: OpDoc = {
  summary: 'The index along one axis.',
  constraints: ['C1: axis < rank', 'C2: a numeric dtype'],
  example: `graph example {
  %0 = iota() {axis=1, dtype="int32", shape=[2, 3]} : int32[2,3]
  return y = %0
}`,
}

export const iota: OpDef<'iota'> = {
  name: 'iota',
  level: 'source',
  arity: 0,
  attrs: { shape: sizes, axis: natural, dtype },
  infer: (_inputs, { shape, axis, dtype: type }) =>
    axis >= shape.length
      ? `C1: axis ${axis} of a shape of rank ${shape.length}`
      : type === 'bool'
        ? 'C2: bool does not count'
        : [{ dtype: type, shape }],
  evalRef: ({ attrs: { shape, axis } }) => {
    const stride = stridesOf(shape)[axis] ?? 1
    const size = shape[axis] ?? 1
    return [new Float64Array(elements(shape)).map((_, i) => Math.floor(i / stride) % size)]
  },
  amp: [],
  fusion: 'source',
  tolerance: 'exact',
  cost: noCost,
}

export const iotaVjp: OpVjp<'iota'> = 'zero'
