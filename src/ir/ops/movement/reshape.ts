import { sizes } from '../../attrs.ts'
import { ampAll, noCost, type OpDef, type OpDoc, type OpVjp } from '../../op-def.ts'
import { elements, showType } from '../../types.ts'

export const reshapeDoc: OpDoc = {
  summary: 'The same elements in row-major order under another shape.',
  constraints: ['C1: as many elements as before'],
  example: `graph example {
  %0 = input() {name="x"} : float32[2,3]
  %1 = reshape(%0) {shape=[6]} : float32[6]
  return y = %1
}`,
}

export const reshape: OpDef<'reshape'> = {
  name: 'reshape',
  level: 'primitive',
  arity: 1,
  attrs: { shape: sizes },
  infer: ([x], { shape }) =>
    elements(x.shape) === elements(shape)
      ? [{ dtype: x.dtype, shape }]
      : `C1: ${showType(x)} has ${elements(x.shape)} elements, [${shape.join(',')}] has ${elements(shape)}`,
  evalRef: ({ inputs: [x] }) => [x.data],
  amp: ampAll('clear'),
  fusion: 'movement',
  tolerance: 'exact',
  cost: noCost,
}

export const reshapeVjp: OpVjp<'reshape'> = ({ outGrads: [g], inputs: [x], b }) => [b.reshape(g, x.shape)]
