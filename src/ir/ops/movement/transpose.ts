import { naturals } from '../../attrs.ts'
import { ampAll, noCost, type OpDef, type OpDoc, type OpVjp } from '../../op-def.ts'
import { forEachIndex, stridesOf } from '../shape.ts'

export const transposeDoc: OpDoc = {
  summary: 'Axes in another order: result axis i is operand axis permutation[i].',
  constraints: ['C1: the permutation names every axis once'],
  example: `graph example {
  %0 = input() {name="x"} : float32[2,3]
  %1 = transpose(%0) {permutation=[1, 0]} : float32[3,2]
  return y = %1
}`,
}

export const transpose: OpDef<'transpose'> = {
  name: 'transpose',
  level: 'primitive',
  arity: 1,
  attrs: { permutation: naturals },
  infer: ([x], { permutation }) =>
    permutation.length === x.shape.length && x.shape.every((_, axis) => permutation.includes(axis))
      ? [{ dtype: x.dtype, shape: permutation.map((axis) => x.shape[axis] as number) }] // every axis is named
      : `C1: [${permutation.join(',')}] is no permutation of ${x.shape.length} axes`,
  evalRef: ({ inputs: [x], attrs: { permutation }, types: [type] }) => {
    const out = new Float64Array(x.data.length)
    const from = stridesOf(x.shape)
    const strides = permutation.map((axis) => from[axis] as number)
    forEachIndex(type.shape, (index, flat) => {
      let at = 0
      for (let i = 0; i < strides.length; i++) at += (index[i] as number) * (strides[i] as number)
      out[flat] = x.data[at] as number
    })
    return [out]
  },
  amp: ampAll('clear'),
  fusion: 'movement',
  tolerance: 'exact',
  cost: noCost,
}

export const transposeVjp: OpVjp<'transpose'> = ({ outGrads: [g], attrs: { permutation }, b }) => [
  b.transpose(
    g,
    permutation.map((_, axis) => permutation.indexOf(axis)),
  ),
]
