import { naturals } from '../../attrs.ts'
import { ampAll, noCost, type OpDef, type OpDoc, type OpVjp } from '../../op-def.ts'
import { checkAxes, forEachIndex, stridesOf } from '../shape.ts'

export const reverseDoc: OpDoc = {
  summary: 'Last element first along the axes.',
  constraints: ['C1: ascending axes that exist'],
  example: `graph example {
  %0 = input() {name="x"} : float32[3]
  %1 = reverse(%0) {axes=[0]} : float32[3]
  return y = %1
}`,
}

export const reverse: OpDef<'reverse'> = {
  name: 'reverse',
  level: 'primitive',
  arity: 1,
  attrs: { axes: naturals },
  infer: ([x], { axes }) => checkAxes('C1', axes, x.shape.length) ?? [x],
  evalRef: ({ inputs: [x], attrs: { axes } }) => {
    const out = new Float64Array(x.data.length)
    const strides = stridesOf(x.shape)
    forEachIndex(x.shape, (index, flat) => {
      let at = flat
      for (const axis of axes)
        at += ((x.shape[axis] as number) - 1 - 2 * (index[axis] as number)) * (strides[axis] as number)
      out[at] = x.data[flat] as number
    })
    return [out]
  },
  amp: ampAll('clear'),
  fusion: 'movement',
  tolerance: 'exact',
  cost: noCost,
}

export const reverseVjp: OpVjp<'reverse'> = ({ outGrads: [g], attrs: { axes }, b }) => [b.reverse(g, axes)]
