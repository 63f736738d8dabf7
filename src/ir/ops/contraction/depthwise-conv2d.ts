import type { OpDef, OpDoc, OpVjp } from '../../op-def.ts'
import { convAttrSpecs, convCost, depthwiseTypes } from './shared.ts'
import { convLoop } from './conv-loop.ts'

export const depthwiseConv2dDoc: OpDoc = {
  summary: 'Each channel convolved with a kernel of its own: x [N,H,W,C], kernel [KH,KW,C,1] -> [N,H2,W2,C].',
  constraints: [
    'C1: x and kernel have rank 4',
    'C2: equal float dtypes',
    "C3: the kernel's third size is x's channels, its last is 1 (no channel multiplier)",
    'C4: the window fits into the padded input',
    'C5: resultDtype is null or not narrower than the operands',
    'C6: sums in the widest type at hand; order free',
  ],
  example: `graph example {
  %0 = input() {name="x"} : float32[1,4,4,2]
  %1 = input() {name="kernel"} : float32[3,3,2,1]
  %2 = depthwiseConv2d(%0, %1) : float32[1,4,4,2]
  return y = %2
}`,
}

export const depthwiseConv2d: OpDef<'depthwiseConv2d'> = {
  name: 'depthwiseConv2d',
  level: 'primitive',
  arity: 2,
  attrs: convAttrSpecs,
  infer: ([x, kernel], attrs) => depthwiseTypes(x, kernel, attrs),
  evalRef: ({ inputs: [x, kernel], attrs, types: [type] }) => {
    const out = new Float64Array(type.shape.reduce((a, b) => a * b, 1))
    const channels = type.shape[3] as number
    convLoop(
      x.shape,
      kernel.shape,
      attrs,
      (xAt, kAt, yAt) => {
        for (let c = 0; c < channels; c++)
          out[yAt + c] = (out[yAt + c] as number) + (x.data[xAt + c] as number) * (kernel.data[kAt + c] as number)
      },
      channels,
    )
    return [out]
  },
  amp: [{ class: 'allow', inputs: [0, 1], outputs: [0], wideOutputs: [0] }],
  fusion: 'depthwise',
  tolerance: 'accumulation',
  // The kernel's third size counts channels, as the result does, so it must not be counted twice.
  cost: ([, kernel], [y]) => convCost({ ...kernel, shape: [...kernel.shape.slice(0, 2), 1] }, y),
}

export const depthwiseConv2dVjp: OpVjp<'depthwiseConv2d'> = ({ outGrads: [g], inputs: [x, kernel], attrs, b }) => {
  const dy = b.cast(g, x.dtype)
  return [
    b.emit1('depthwiseConv2dInputGradient', [dy, kernel], { ...attrs, resultDtype: null, inputShape: x.shape }),
    b.emit1('depthwiseConv2dFilterGradient', [x, dy], { ...attrs, resultDtype: null, filterShape: kernel.shape }),
  ]
}
