import { sizes } from '../../attrs.ts'
import type { OpDef, OpDoc, OpVjp } from '../../op-def.ts'
import { checkOutputGradient, convAttrSpecs, convCost, convTypes, gradientConstraints } from './shared.ts'
import { convLoop } from './conv-loop.ts'

export const conv2dFilterGradientDoc: OpDoc = {
  summary: 'Gradient of conv2d by its kernel: x [N,H,W,C], dy [N,H2,W2,F] -> filterShape [KH,KW,C,F].',
  constraints: /* @__PURE__ */ gradientConstraints('x and filterShape'),
  example: `graph example {
  %0 = input() {name="x"} : float32[1,4,4,2]
  %1 = input() {name="dy"} : float32[1,2,2,3]
  %2 = conv2dFilterGradient(%0, %1) {filterShape=[3, 3, 2, 3], strides=[2, 2]} : float32[3,3,2,3]
  return y = %2
}`,
}

export const conv2dFilterGradient: OpDef<'conv2dFilterGradient'> = {
  name: 'conv2dFilterGradient',
  level: 'primitive',
  arity: 2,
  attrs: { ...convAttrSpecs, filterShape: sizes },
  infer: ([x, dy], attrs) => {
    if (x.dtype !== dy.dtype) return `C2: operand dtypes differ: ${x.dtype} and ${dy.dtype}`
    const forward = convTypes(x, { dtype: x.dtype, shape: attrs.filterShape }, attrs)
    return (
      checkOutputGradient(forward, dy) ?? [
        { dtype: typeof forward === 'string' ? x.dtype : forward[0].dtype, shape: attrs.filterShape },
      ]
    )
  },
  evalRef: ({ inputs: [x, dy], attrs }) => {
    const out = new Float64Array(attrs.filterShape.reduce((a, b) => a * b, 1))
    const [, , channels = 0, filters = 0] = attrs.filterShape
    convLoop(x.shape, attrs.filterShape, attrs, (xAt, kAt, yAt) => {
      for (let c = 0; c < channels; c++) {
        const xv = x.data[xAt + c] as number
        const row = kAt + c * filters
        for (let f = 0; f < filters; f++) out[row + f] = (out[row + f] as number) + xv * (dy.data[yAt + f] as number)
      }
    })
    return [out]
  },
  amp: [{ class: 'allow', inputs: [0, 1], outputs: [0], wideOutputs: [0] }],
  fusion: 'contraction',
  tolerance: 'accumulation',
  cost: ([, dy], [kernel]) => convCost(kernel, dy),
}

export const conv2dFilterGradientVjp: OpVjp<'conv2dFilterGradient'> = ({
  outGrads: [g],
  inputs: [x, dy],
  attrs: { filterShape: _, ...attrs },
  b,
}) => {
  const dk = b.cast(g, x.dtype)
  return [
    b.emit1('conv2dInputGradient', [dy, dk], { ...attrs, resultDtype: null, inputShape: x.shape }),
    b.emit1('conv2d', [x, dk], { ...attrs, resultDtype: null }),
  ]
}
