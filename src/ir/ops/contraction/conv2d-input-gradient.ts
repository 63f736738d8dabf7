import { sizes } from '../../attrs.ts'
import type { OpDef, OpDoc, OpVjp } from '../../op-def.ts'
import { checkOutputGradient, convAttrSpecs, convCost, convTypes, gradientConstraints } from './shared.ts'
import { convLoop } from './conv-loop.ts'

export const conv2dInputGradientDoc: OpDoc = {
  summary:
    'Gradient of conv2d by its image, also called transposed convolution: dy [N,H2,W2,F], kernel [KH,KW,C,F] -> inputShape [N,H,W,C].',
  constraints: /* @__PURE__ */ gradientConstraints('inputShape and kernel'),
  example: `graph example {
  %0 = input() {name="dy"} : float32[1,2,2,3]
  %1 = input() {name="kernel"} : float32[3,3,2,3]
  %2 = conv2dInputGradient(%0, %1) {inputShape=[1, 4, 4, 2], strides=[2, 2]} : float32[1,4,4,2]
  return y = %2
}`,
}

export const conv2dInputGradient: OpDef<'conv2dInputGradient'> = {
  name: 'conv2dInputGradient',
  level: 'primitive',
  arity: 2,
  attrs: { ...convAttrSpecs, inputShape: sizes },
  infer: ([dy, kernel], attrs) => {
    const forward = convTypes({ dtype: dy.dtype, shape: attrs.inputShape }, kernel, attrs)
    return (
      checkOutputGradient(forward, dy) ?? [
        { dtype: typeof forward === 'string' ? dy.dtype : forward[0].dtype, shape: attrs.inputShape },
      ]
    )
  },
  evalRef: ({ inputs: [dy, kernel], attrs }) => {
    const out = new Float64Array(attrs.inputShape.reduce((a, b) => a * b, 1))
    const [, , channels = 0, filters = 0] = kernel.shape
    convLoop(attrs.inputShape, kernel.shape, attrs, (xAt, kAt, yAt) => {
      for (let c = 0; c < channels; c++) {
        const row = kAt + c * filters
        let sum = 0
        for (let f = 0; f < filters; f++) sum += (dy.data[yAt + f] as number) * (kernel.data[row + f] as number)
        out[xAt + c] = (out[xAt + c] as number) + sum
      }
    })
    return [out]
  },
  amp: [{ class: 'allow', inputs: [0, 1], outputs: [0], wideOutputs: [0] }],
  fusion: 'contraction',
  tolerance: 'accumulation',
  cost: ([dy, kernel]) => convCost(kernel, dy),
}

export const conv2dInputGradientVjp: OpVjp<'conv2dInputGradient'> = ({
  outGrads: [g],
  inputs: [dy, kernel],
  attrs: { inputShape: _, ...attrs },
  b,
}) => {
  const dx = b.cast(g, dy.dtype)
  return [
    b.emit1('conv2d', [dx, kernel], { ...attrs, resultDtype: null }),
    b.emit1('conv2dFilterGradient', [dx, dy], { ...attrs, resultDtype: null, filterShape: kernel.shape }),
  ]
}
