import { naturals, number, withDefault } from '../../attrs.ts'
import { ampAll, noCost, type OpDef, type OpDoc, type OpVjp } from '../../op-def.ts'
import { forEachIndex, stridesOf } from '../shape.ts'

export const padDoc: OpDoc = {
  summary: 'A number around the operand: low before, high after, interior between neighbours, on every axis.',
  constraints: ['C1: one low, high and interior for each axis', 'C2: int32 and bool take integers'],
  example: `graph example {
  %0 = input() {name="x"} : float32[2]
  %1 = pad(%0) {high=[2], interior=[1], low=[1]} : float32[6]
  return y = %1
}`,
}

export const pad: OpDef<'pad'> = {
  name: 'pad',
  level: 'primitive',
  arity: 1,
  attrs: { low: naturals, high: naturals, interior: naturals, value: withDefault(number, 0) },
  infer: ([x], { low, high, interior, value }) => {
    const rank = x.shape.length
    if (low.length !== rank || high.length !== rank || interior.length !== rank)
      return `C1: ${low.length} low, ${high.length} high, ${interior.length} interior for rank ${rank}`
    if ((x.dtype === 'int32' && value !== (value | 0)) || (x.dtype === 'bool' && value !== 0 && value !== 1))
      return `C2: ${x.dtype} cannot hold ${value}`
    return [
      {
        dtype: x.dtype,
        shape: x.shape.map(
          (size, i) => (low[i] as number) + size + (size - 1) * (interior[i] as number) + (high[i] as number),
        ),
      },
    ]
  },
  evalRef: ({ inputs: [x], attrs: { low, interior, value }, types: [type] }) => {
    const out = new Float64Array(type.shape.reduce((a, b) => a * b, 1)).fill(value)
    const to = stridesOf(type.shape)
    forEachIndex(x.shape, (index, flat) => {
      let at = 0
      for (let i = 0; i < to.length; i++)
        at += ((low[i] as number) + (index[i] as number) * ((interior[i] as number) + 1)) * (to[i] as number)
      out[at] = x.data[flat] as number
    })
    return [out]
  },
  amp: ampAll('clear'),
  fusion: 'movement',
  tolerance: 'exact',
  cost: noCost,
}

export const padVjp: OpVjp<'pad'> = ({ outGrads: [g], inputs: [x], attrs: { low, interior }, b }) => [
  b.slice(
    g,
    low,
    x.shape.map((size, i) => (low[i] as number) + (size - 1) * ((interior[i] as number) + 1) + 1),
    interior.map((gap) => gap + 1),
  ),
]
