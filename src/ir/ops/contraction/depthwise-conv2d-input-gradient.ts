import { sizes } from '../../attrs.ts'
import type { OpDef, OpDoc, OpVjp } from '../../op-def.ts'
import { checkOutputGradient, convAttrSpecs, convCost, depthwiseTypes, gradientConstraints } from './shared.ts'
import { convLoop } from './conv-loop.ts'

export const depthwiseConv2dInputGradientDoc: OpDoc = {
  summary: 'Gradient of depthwiseConv2d by its image: dy [N,H2,W2,C], kernel [KH,KW,C,1] -> inputShape [N,H,W,C].',
  constraints: /* @__PURE__ */ gradientConstraints('inputShape and kernel'),
  example: `graph example {
  %0 = input() {name="dy"} : float32[1,2,2,2]
  %1 = input() {name="kernel"} : float32[3,3,2,1]
  %2 = depthwiseConv2dInputGradient(%0, %1) {inputShape=[1, 4, 4, 2], strides=[2, 2]} : float32[1,4,4,2]
  return y = %2
}`,
}

export const depthwiseConv2dInputGradient: OpDef<'depthwiseConv2dInputGradient'> = {
  name: 'depthwiseConv2dInputGradient',
  level: 'primitive',
  arity: 2,
  attrs: { ...convAttrSpecs, inputShape: sizes },
  infer: ([dy, kernel], attrs) => {
    const forward = depthwiseTypes({ dtype: dy.dtype, shape: attrs.inputShape }, kernel, attrs)
    return (
      checkOutputGradient(forward, dy) ?? [
        { dtype: typeof forward === 'string' ? dy.dtype : forward[0].dtype, shape: attrs.inputShape },
      ]
    )
  },
  evalRef: ({ inputs: [dy, kernel], attrs }) => {
    const out = new Float64Array(attrs.inputShape.reduce((a, b) => a * b, 1))
    const channels = attrs.inputShape[3] as number
    convLoop(
      attrs.inputShape,
      kernel.shape,
      attrs,
      (xAt, kAt, yAt) => {
        for (let c = 0; c < channels; c++)
          out[xAt + c] = (out[xAt + c] as number) + (dy.data[yAt + c] as number) * (kernel.data[kAt + c] as number)
      },
      channels,
    )
    return [out]
  },
  amp: [{ class: 'allow', inputs: [0, 1], outputs: [0], wideOutputs: [0] }],
  fusion: 'depthwise',
  tolerance: 'accumulation',
  cost: ([dy, kernel]) => convCost({ ...kernel, shape: [...kernel.shape.slice(0, 2), 1] }, dy),
}

export const depthwiseConv2dInputGradientVjp: OpVjp<'depthwiseConv2dInputGradient'> = ({
  outGrads: [g],
  inputs: [dy, kernel],
  attrs: { inputShape: _, ...attrs },
  b,
}) => {
  const dx = b.cast(g, dy.dtype)
  return [
    b.emit1('depthwiseConv2d', [dx, kernel], { ...attrs, resultDtype: null }),
    b.emit1('depthwiseConv2dFilterGradient', [dx, dy], { ...attrs, resultDtype: null, filterShape: kernel.shape }),
  ]
}
