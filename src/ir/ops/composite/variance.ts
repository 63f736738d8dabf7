import type { CompositeDef, OpDoc, OpVjp } from '../../op-def.ts'
import { elements, isFloat } from '../../types.ts'
import {
  fold,
  reduceExample,
  reduceLoop,
  reducedCount,
  spread,
  wideReduceAttrSpecs,
  wideReduceTypes,
} from '../reduction/shared.ts'

export const varianceDoc: OpDoc = {
  summary: 'Biased variance over axes: the mean of the squared distance from the mean.',
  constraints: [
    'C1: ascending axes that exist',
    'C2: a float operand',
    'C3: resultDtype is null or not narrower than the operand',
    'C4: two passes, or a formula as stable: never the mean of squares less the square of the mean',
  ],
  example: /* @__PURE__ */ reduceExample('variance'),
}

export const variance: CompositeDef<'variance'> = {
  name: 'variance',
  level: 'composite',
  arity: 1,
  attrs: wideReduceAttrSpecs,
  infer: ([x], attrs) => wideReduceTypes(x, attrs, isFloat, 'a float'),
  evalRef: ({ inputs: [x], attrs: { axes } }) => {
    const count = reducedCount(x.shape, axes)
    const mean = fold(x, axes, 0, (sum, v) => sum + v).map((sum) => sum / count)
    const out = new Float64Array(mean.length)
    reduceLoop(x.shape, axes, (from, to) => {
      out[to] = (out[to] as number) + ((x.data[from] as number) - (mean[to] as number)) ** 2 / count
    })
    return [out]
  },
  decompose: ({ inputs: [x], attrs: { axes, keepDims, resultDtype }, b }) => {
    const wide = b.cast(x, 'float32')
    const centred = b.sub(wide, b.mean(wide, axes, true))
    return [b.cast(b.mean(b.mul(centred, centred), axes, keepDims), resultDtype ?? x.dtype)]
  },
  amp: [{ class: 'wide', inputs: [0], outputs: [0], wideOutputs: [0] }],
  fusion: 'reduction',
  tolerance: 'accumulation',
  cost: ([x]) => ({ multiplyAdds: 0, operations: 4 * elements(x.shape) }),
}

export const varianceVjp: OpVjp<'variance'> = ({ outGrads: [g], inputs: [x], attrs: { axes }, b }) => {
  const wide = b.cast(x, 'float32')
  const centred = b.sub(wide, b.mean(wide, axes, true))
  return [
    b.cast(b.mul(spread(b, b.mul(b.cast(g, 'float32'), 2 / reducedCount(x.shape, axes)), x, axes), centred), x.dtype),
  ]
}
