import { naturals, sizes } from '../../attrs.ts'
import { ampAll, noCost, type OpDef, type OpDoc, type OpVjp } from '../../op-def.ts'
import { forEachIndex, stridesOf } from '../shape.ts'

export const sliceDoc: OpDoc = {
  summary: 'Elements starts, starts + strides, … below limits, on every axis.',
  constraints: ['C1: one start, limit and stride for each axis', 'C2: start < limit <= size'],
  example: `graph example {
  %0 = input() {name="x"} : float32[5]
  %1 = slice(%0) {limits=[5], starts=[1], strides=[2]} : float32[2]
  return y = %1
}`,
}

export const slice: OpDef<'slice'> = {
  name: 'slice',
  level: 'primitive',
  arity: 1,
  attrs: { starts: naturals, limits: sizes, strides: sizes },
  infer: ([x], { starts, limits, strides }) => {
    const rank = x.shape.length
    if (starts.length !== rank || limits.length !== rank || strides.length !== rank)
      return `C1: ${starts.length} starts, ${limits.length} limits, ${strides.length} strides for rank ${rank}`
    const bad = x.shape.findIndex(
      (size, i) => (starts[i] as number) >= (limits[i] as number) || (limits[i] as number) > size,
    )
    if (bad >= 0) return `C2: from ${starts[bad]} to ${limits[bad]} on axis ${bad} of size ${x.shape[bad]}`
    return [
      {
        dtype: x.dtype,
        shape: starts.map((start, i) => Math.ceil(((limits[i] as number) - start) / (strides[i] as number))),
      },
    ]
  },
  evalRef: ({ inputs: [x], attrs: { starts, strides }, types: [type] }) => {
    const out = new Float64Array(type.shape.reduce((a, b) => a * b, 1))
    const from = stridesOf(x.shape)
    forEachIndex(type.shape, (index, flat) => {
      let at = 0
      for (let i = 0; i < from.length; i++)
        at += ((starts[i] as number) + (index[i] as number) * (strides[i] as number)) * (from[i] as number)
      out[flat] = x.data[at] as number
    })
    return [out]
  },
  amp: ampAll('clear'),
  fusion: 'movement',
  tolerance: 'exact',
  cost: noCost,
}

export const sliceVjp: OpVjp<'slice'> = ({ outGrads: [g], inputs: [x], attrs: { starts, strides }, b }) => {
  const reach = g.shape.map((size, i) => (starts[i] as number) + (size - 1) * (strides[i] as number) + 1)
  return [
    b.pad(
      g,
      starts,
      x.shape.map((size, i) => size - (reach[i] as number)),
      0,
      strides.map((s) => s - 1),
    ),
  ]
}
