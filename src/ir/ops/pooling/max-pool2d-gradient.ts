import { ampAll, type OpDef, type OpDoc, type OpVjp } from '../../op-def.ts'
import { elements, sameShape, showType } from '../../types.ts'
import { isLarger } from '../reduction/arg-max.ts'
import { poolLoop, poolTypes, windowAttrSpecs } from './shared.ts'
import { atMaxima } from './winners.ts'

export const maxPool2dGradientDoc: OpDoc = {
  summary: 'Gradient of maxPool2d: x [N,H,W,C], dy [N,H2,W2,C] -> [N,H,W,C].',
  constraints: [
    'C1: a float operand of rank 4',
    'C2: the window fits into the padded input',
    'C3: on each side less padding than the window is long, so that every window touches the image',
    'C4: dy has the type of the pooled x',
    'C5: of equal elements the first in row-major order of the window takes the gradient',
    'C6: NaN counts as larger than everything',
    'C7: piecewise constant in x: only dy is differentiated again',
  ],
  example: `graph example {
  %0 = input() {name="x"} : float32[1,4,4,2]
  %1 = input() {name="dy"} : float32[1,2,2,2]
  %2 = maxPool2dGradient(%0, %1) {strides=[2, 2], window=[3, 3]} : float32[1,4,4,2]
  return y = %2
}`,
}

export const maxPool2dGradient: OpDef<'maxPool2dGradient'> = {
  name: 'maxPool2dGradient',
  level: 'primitive',
  arity: 2,
  attrs: windowAttrSpecs,
  infer: ([x, dy], attrs) => {
    const forward = poolTypes(x, attrs)
    if (typeof forward === 'string') return forward
    return sameShape(forward[0].shape, dy.shape) && forward[0].dtype === dy.dtype
      ? [x]
      : `C4: dy must be ${showType(forward[0])}, got ${showType(dy)}`
  },
  evalRef: ({ inputs: [x, dy], attrs }) => {
    const winner = new Int32Array(dy.data.length).fill(-1)
    const channels = dy.shape[3] as number
    poolLoop(x.shape, attrs, (xAt, yAt) => {
      for (let c = 0; c < channels; c++) {
        const best = winner[yAt + c] as number
        if (best < 0 || isLarger(x.data[xAt + c] as number, x.data[best] as number)) winner[yAt + c] = xAt + c
      }
    })
    const out = new Float64Array(elements(x.shape))
    winner.forEach((at, i) => {
      out[at] = (out[at] as number) + (dy.data[i] as number)
    })
    return [out]
  },
  amp: ampAll('clear'),
  fusion: 'window',
  tolerance: 'accumulation',
  cost: (_inputs, [dx], { window }) => ({ multiplyAdds: 0, operations: elements(dx.shape) * window[0] * window[1] }),
}

export const maxPool2dGradientVjp: OpVjp<'maxPool2dGradient'> = ({ outGrads: [g], inputs: [x], attrs, b }) => [
  null,
  atMaxima(b, g, x, attrs),
]
