import { sizes } from '../../attrs.ts'
import type { OpDef, OpDoc, OpVjp } from '../../op-def.ts'
import { checkOutputGradient, convAttrSpecs, convCost, depthwiseTypes, gradientConstraints } from './shared.ts'
import { convLoop } from './conv-loop.ts'

export const depthwiseConv2dFilterGradientDoc: OpDoc = {
  summary: 'Gradient of depthwiseConv2d by its kernel: x [N,H,W,C], dy [N,H2,W2,C] -> filterShape [KH,KW,C,1].',
  constraints: /* @__PURE__ */ gradientConstraints('x and filterShape'),
  example: `graph example {
  %0 = input() {name="x"} : float32[1,4,4,2]
  %1 = input() {name="dy"} : float32[1,2,2,2]
  %2 = depthwiseConv2dFilterGradient(%0, %1) {filterShape=[3, 3, 2, 1], strides=[2, 2]} : float32[3,3,2,1]
  return y = %2
}`,
}

export const depthwiseConv2dFilterGradient: OpDef<'depthwiseConv2dFilterGradient'> = {
  name: 'depthwiseConv2dFilterGradient',
  level: 'primitive',
  arity: 2,
  attrs: { ...convAttrSpecs, filterShape: sizes },
  infer: ([x, dy], attrs) => {
    if (x.dtype !== dy.dtype) return `C2: operand dtypes differ: ${x.dtype} and ${dy.dtype}`
    const forward = depthwiseTypes(x, { dtype: x.dtype, shape: attrs.filterShape }, attrs)
    return (
      checkOutputGradient(forward, dy) ?? [
        { dtype: typeof forward === 'string' ? x.dtype : forward[0].dtype, shape: attrs.filterShape },
      ]
    )
  },
  evalRef: ({ inputs: [x, dy], attrs }) => {
    const out = new Float64Array(attrs.filterShape.reduce((a, b) => a * b, 1))
    const channels = x.shape[3] as number
    convLoop(
      x.shape,
      attrs.filterShape,
      attrs,
      (xAt, kAt, yAt) => {
        for (let c = 0; c < channels; c++)
          out[kAt + c] = (out[kAt + c] as number) + (x.data[xAt + c] as number) * (dy.data[yAt + c] as number)
      },
      channels,
    )
    return [out]
  },
  amp: [{ class: 'allow', inputs: [0, 1], outputs: [0], wideOutputs: [0] }],
  fusion: 'depthwise',
  tolerance: 'accumulation',
  cost: ([, dy], [kernel]) => convCost({ ...kernel, shape: [...kernel.shape.slice(0, 2), 1] }, dy),
}

export const depthwiseConv2dFilterGradientVjp: OpVjp<'depthwiseConv2dFilterGradient'> = ({
  outGrads: [g],
  inputs: [x, dy],
  attrs: { filterShape: _, ...attrs },
  b,
}) => {
  const dk = b.cast(g, x.dtype)
  return [
    b.emit1('depthwiseConv2dInputGradient', [dy, dk], { ...attrs, resultDtype: null, inputShape: x.shape }),
    b.emit1('depthwiseConv2d', [x, dk], { ...attrs, resultDtype: null }),
  ]
}
