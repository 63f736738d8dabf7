import type { CompositeDef, OpDoc, OpVjp } from '../../op-def.ts'
import { elements, isFloat } from '../../types.ts'
import { fold, reduceExample, reducedCount, spread, wideReduceAttrSpecs, wideReduceTypes } from '../reduction/shared.ts'

export const meanDoc: OpDoc = {
  summary: 'Arithmetic mean over axes.',
  constraints: [
    'C1: ascending axes that exist',
    'C2: a float operand',
    'C3: resultDtype is null or not narrower than the operand',
    'C4: half operands are summed in float32',
  ],
  example: /* @__PURE__ */ reduceExample('mean'),
}

export const mean: CompositeDef<'mean'> = {
  name: 'mean',
  level: 'composite',
  arity: 1,
  attrs: wideReduceAttrSpecs,
  infer: ([x], attrs) => wideReduceTypes(x, attrs, isFloat, 'a float'),
  evalRef: ({ inputs: [x], attrs: { axes } }) => {
    const count = reducedCount(x.shape, axes)
    return [fold(x, axes, 0, (sum, v) => sum + v).map((sum) => sum / count)]
  },
  decompose: ({ inputs: [x], attrs: { axes, keepDims, resultDtype }, b }) => {
    const sum = b.reduceSum(b.cast(x, 'float32'), axes, keepDims)
    return [b.cast(b.mul(sum, 1 / reducedCount(x.shape, axes)), resultDtype ?? x.dtype)]
  },
  amp: [{ class: 'wide', inputs: [0], outputs: [0], wideOutputs: [0] }],
  fusion: 'reduction',
  tolerance: 'accumulation',
  cost: ([x]) => ({ multiplyAdds: 0, operations: elements(x.shape) }),
}

export const meanVjp: OpVjp<'mean'> = ({ outGrads: [g], inputs: [x], attrs: { axes }, b }) => [
  b.cast(spread(b, b.mul(b.cast(g, 'float32'), 1 / reducedCount(x.shape, axes)), x, axes), x.dtype),
]
