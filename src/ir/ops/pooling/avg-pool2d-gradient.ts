import { sizes } from '../../attrs.ts'
import type { OpDef, OpDoc, OpVjp } from '../../op-def.ts'
import { elements, sameShape, showType } from '../../types.ts'
import { poolLoop, poolTypes, windowAttrSpecs, windowCounts } from './shared.ts'

export const avgPool2dGradientDoc: OpDoc = {
  summary: 'Gradient of avgPool2d: dy [N,H2,W2,C] -> inputShape [N,H,W,C].',
  constraints: [
    'C1: a float operand of rank 4',
    'C2: the window fits into the padded input',
    'C3: on each side less padding than the window is long, so that every window touches the image',
    'C4: dy has the shape of the pooled inputShape',
  ],
  example: `graph example {
  %0 = input() {name="dy"} : float32[1,2,2,2]
  %1 = avgPool2dGradient(%0) {inputShape=[1, 4, 4, 2], strides=[2, 2], window=[3, 3]} : float32[1,4,4,2]
  return y = %1
}`,
}

export const avgPool2dGradient: OpDef<'avgPool2dGradient'> = {
  name: 'avgPool2dGradient',
  level: 'primitive',
  arity: 1,
  attrs: { ...windowAttrSpecs, inputShape: sizes },
  infer: ([dy], attrs) => {
    const forward = poolTypes({ dtype: dy.dtype, shape: attrs.inputShape }, attrs)
    if (typeof forward === 'string') return forward
    return sameShape(forward[0].shape, dy.shape)
      ? [{ dtype: dy.dtype, shape: attrs.inputShape }]
      : `C4: dy must be ${showType(forward[0])}, got ${showType(dy)}`
  },
  evalRef: ({ inputs: [dy], attrs }) => {
    const out = new Float64Array(elements(attrs.inputShape))
    const channels = dy.shape[3] as number
    const counts = windowCounts(attrs.inputShape, attrs)
    poolLoop(attrs.inputShape, attrs, (xAt, yAt) => {
      const count = counts[(yAt / channels) % counts.length] as number
      for (let c = 0; c < channels; c++) out[xAt + c] = (out[xAt + c] as number) + (dy.data[yAt + c] as number) / count
    })
    return [out]
  },
  amp: [{ class: 'infer', inputs: 'all', outputs: 'all' }],
  fusion: 'window',
  tolerance: 'accumulation',
  cost: (_inputs, [dx], { window }) => ({ multiplyAdds: 0, operations: elements(dx.shape) * window[0] * window[1] }),
}

export const avgPool2dGradientVjp: OpVjp<'avgPool2dGradient'> = ({
  outGrads: [g],
  attrs: { inputShape: _, ...attrs },
  b,
}) => [b.avgPool2d(g, attrs)]
