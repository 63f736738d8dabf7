import { natural } from '../../attrs.ts'
import { ampAll, noCost, type OpDef, type OpDoc, type OpVjp } from '../../op-def.ts'
import { showType } from '../../types.ts'

export const concatenateDoc: OpDoc = {
  summary: 'Operands one after another along an axis.',
  constraints: [
    'C1: at least one operand',
    'C2: the axis exists',
    'C3: equal dtypes, and equal shapes but for the axis',
  ],
  example: `graph example {
  %0 = input() {name="a"} : float32[2]
  %1 = input() {name="b"} : float32[3]
  %2 = concatenate(%0, %1) {axis=0} : float32[5]
  return y = %2
}`,
}

export const concatenate: OpDef<'concatenate'> = {
  name: 'concatenate',
  level: 'primitive',
  arity: 'variadic',
  attrs: { axis: natural },
  infer: (inputs, { axis }) => {
    const [first] = inputs
    if (first === undefined) return 'C1: nothing to concatenate'
    if (axis >= first.shape.length) return `C2: axis ${axis} of a tensor of rank ${first.shape.length}`
    const odd = inputs.find(
      (x) =>
        x.dtype !== first.dtype ||
        x.shape.length !== first.shape.length ||
        x.shape.some((size, i) => i !== axis && size !== first.shape[i]),
    )
    if (odd !== undefined) return `C3: ${showType(first)} and ${showType(odd)} along axis ${axis}`
    return [
      {
        dtype: first.dtype,
        shape: first.shape.map((size, i) =>
          i === axis ? inputs.reduce((sum, x) => sum + (x.shape[axis] as number), 0) : size,
        ),
      },
    ]
  },
  evalRef: ({ inputs, attrs: { axis }, types }) => {
    const shape = types[0]?.shape ?? []
    const out = new Float64Array(shape.reduce((a, b) => a * b, 1))
    const outer = shape.slice(0, axis).reduce((a, b) => a * b, 1)
    let at = 0
    for (let o = 0; o < outer; o++) {
      for (const { data } of inputs) {
        const row = data.length / outer
        out.set(data.subarray(o * row, (o + 1) * row), at)
        at += row
      }
    }
    return [out]
  },
  amp: ampAll('clear'),
  fusion: 'movement',
  tolerance: 'exact',
  cost: noCost,
}

export const concatenateVjp: OpVjp<'concatenate'> = ({ outGrads: [g], inputs, attrs: { axis }, b }) => {
  let start = 0
  return inputs.map((x) => {
    const from = start
    start += x.shape[axis] as number
    return b.slice(
      g,
      g.shape.map((_, i) => (i === axis ? from : 0)),
      g.shape.map((size, i) => (i === axis ? from + (x.shape[axis] as number) : size)),
    )
  })
}
