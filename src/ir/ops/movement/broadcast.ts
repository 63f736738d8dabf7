import { naturals, sizes } from '../../attrs.ts'
import { ampAll, noCost, type OpDef, type OpDoc, type OpVjp } from '../../op-def.ts'
import { elements } from '../../types.ts'
import { checkAxes, forEachIndex, stridesOf } from '../shape.ts'

export const broadcastDoc: OpDoc = {
  summary:
    'Repeats along new axes and along axes of size 1; operand axis i becomes result axis axes[i] (StableHLO broadcast_in_dim).',
  constraints: [
    'C1: one ascending result axis for each operand axis',
    'C2: an operand size is 1 or that of its result axis',
  ],
  example: `graph example {
  %0 = input() {name="x"} : float32[3]
  %1 = broadcast(%0) {axes=[1], shape=[2, 3]} : float32[2,3]
  return y = %1
}`,
}

export const broadcast: OpDef<'broadcast'> = {
  name: 'broadcast',
  level: 'primitive',
  arity: 1,
  attrs: { shape: sizes, axes: naturals },
  infer: ([x], { shape, axes }) => {
    if (axes.length !== x.shape.length) return `C1: ${axes.length} axes for an operand of rank ${x.shape.length}`
    const wrong = checkAxes('C1', axes, shape.length)
    if (wrong !== null) return wrong
    const bad = x.shape.findIndex((size, i) => size !== 1 && size !== shape[axes[i] ?? -1])
    return bad < 0
      ? [{ dtype: x.dtype, shape }]
      : `C2: operand size ${x.shape[bad]} does not repeat to ${shape[axes[bad] ?? -1]} (axis ${axes[bad]})`
  },
  evalRef: ({ inputs: [x], attrs: { shape, axes } }) => {
    const out = new Float64Array(elements(shape))
    const strides = stridesOf(x.shape).map((stride, i) => (x.shape[i] === 1 ? 0 : stride))
    forEachIndex(shape, (index, flat) => {
      let at = 0
      for (let i = 0; i < axes.length; i++) at += (index[axes[i] as number] as number) * (strides[i] as number)
      out[flat] = x.data[at] as number
    })
    return [out]
  },
  amp: ampAll('clear'),
  fusion: 'broadcast',
  tolerance: 'exact',
  cost: noCost,
}

export const broadcastVjp: OpVjp<'broadcast'> = ({ outGrads: [g], inputs: [x], attrs: { shape, axes }, b }) => {
  const repeated = shape
    .map((_, axis) => axis)
    .filter((axis) => {
      const from = axes.indexOf(axis)
      return from < 0 || (x.shape[from] === 1 && shape[axis] !== 1)
    })
  return [b.reshape(b.reduceSum(g, repeated), x.shape)]
}
