import { ampAll, type OpDef, type OpDoc, type OpVjp } from '../../op-def.ts'
import { elements } from '../../types.ts'
import { poolLoop, poolTypes, windowAttrSpecs } from './shared.ts'

export const maxPool2dDoc: OpDoc = {
  summary: 'The largest element of each window: x [N,H,W,C] -> [N,H2,W2,C].',
  constraints: [
    'C1: a float operand of rank 4',
    'C2: the window fits into the padded input',
    'C3: on each side less padding than the window is long, so that every window touches the image',
    'C4: padding does not count',
    'C5: NaN if a window holds NaN',
  ],
  example: `graph example {
  %0 = input() {name="x"} : float32[1,4,4,2]
  %1 = maxPool2d(%0) {strides=[2, 2], window=[3, 3]} : float32[1,2,2,2]
  return y = %1
}`,
}

export const maxPool2d: OpDef<'maxPool2d'> = {
  name: 'maxPool2d',
  level: 'primitive',
  arity: 1,
  attrs: windowAttrSpecs,
  infer: ([x], attrs) => poolTypes(x, attrs),
  evalRef: ({ inputs: [x], attrs, types: [type] }) => {
    const out = new Float64Array(elements(type.shape)).fill(-Infinity)
    const channels = type.shape[3] as number
    poolLoop(x.shape, attrs, (xAt, yAt) => {
      for (let c = 0; c < channels; c++) out[yAt + c] = Math.max(out[yAt + c] as number, x.data[xAt + c] as number)
    })
    return [out]
  },
  amp: ampAll('clear'),
  fusion: 'window',
  tolerance: 'exact',
  cost: (_inputs, [y], { window }) => ({ multiplyAdds: 0, operations: elements(y.shape) * window[0] * window[1] }),
}

export const maxPool2dVjp: OpVjp<'maxPool2d'> = ({ outGrads: [g], inputs: [x], attrs, b }) => [
  b.emit1('maxPool2dGradient', [x, g], attrs),
]
