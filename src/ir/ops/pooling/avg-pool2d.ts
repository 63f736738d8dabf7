import type { OpDef, OpDoc, OpVjp } from '../../op-def.ts'
import { elements } from '../../types.ts'
import { poolLoop, poolTypes, windowAttrSpecs, windowCounts } from './shared.ts'

export const avgPool2dDoc: OpDoc = {
  summary: 'The mean of each window: x [N,H,W,C] -> [N,H2,W2,C].',
  constraints: [
    'C1: a float operand of rank 4',
    'C2: the window fits into the padded input',
    'C3: on each side less padding than the window is long, so that every window touches the image',
    'C4: padding does not count (as in TensorFlow)',
  ],
  example: `graph example {
  %0 = input() {name="x"} : float32[1,4,4,2]
  %1 = avgPool2d(%0) {strides=[2, 2], window=[3, 3]} : float32[1,2,2,2]
  return y = %1
}`,
}

export const avgPool2d: OpDef<'avgPool2d'> = {
  name: 'avgPool2d',
  level: 'primitive',
  arity: 1,
  attrs: windowAttrSpecs,
  infer: ([x], attrs) => poolTypes(x, attrs),
  evalRef: ({ inputs: [x], attrs, types: [type] }) => {
    const out = new Float64Array(elements(type.shape))
    const channels = type.shape[3] as number
    const counts = windowCounts(x.shape, attrs)
    poolLoop(x.shape, attrs, (xAt, yAt) => {
      for (let c = 0; c < channels; c++) out[yAt + c] = (out[yAt + c] as number) + (x.data[xAt + c] as number)
    })
    return [out.map((sum, i) => sum / (counts[Math.floor(i / channels) % counts.length] as number))]
  },
  amp: [{ class: 'infer', inputs: 'all', outputs: 'all' }],
  fusion: 'window',
  tolerance: 'accumulation',
  cost: (_inputs, [y], { window }) => ({ multiplyAdds: 0, operations: elements(y.shape) * window[0] * window[1] }),
}

export const avgPool2dVjp: OpVjp<'avgPool2d'> = ({ outGrads: [g], inputs: [x], attrs, b }) => [
  b.emit1('avgPool2dGradient', [g], { ...attrs, inputShape: x.shape }),
]
