import { convAttrSpecs, convCost, convTypes } from './shared.ts'
import { convLoop } from './conv-loop.ts'
import type { OpDef, OpDoc, OpVjp } from '../../op-def.ts'

export const conv2dDoc: OpDoc = {
  summary: 'Two-dimensional cross-correlation: x [N,H,W,C], kernel [KH,KW,C,F] -> [N,H2,W2,F].',
  constraints: [
    'C1: x and kernel have rank 4',
    'C2: equal float dtypes',
    "C3: the kernel's third size is x's channels",
    'C4: the window fits into the padded input',
    'C5: resultDtype is null or not narrower than the operands',
    'C6: sums in the widest type at hand; order free',
  ],
  example: `graph example {
  %0 = input() {name="x"} : float32[1,4,4,2]
  %1 = input() {name="kernel"} : float32[3,3,2,3]
  %2 = conv2d(%0, %1) {strides=[2, 2]} : float32[1,2,2,3]
  return y = %2
}`,
}

export const conv2d: OpDef<'conv2d'> = {
  name: 'conv2d',
  level: 'primitive',
  arity: 2,
  attrs: convAttrSpecs,
  infer: ([x, kernel], attrs) => convTypes(x, kernel, attrs),
  evalRef: ({ inputs: [x, kernel], attrs, types: [type] }) => {
    const out = new Float64Array(type.shape.reduce((a, b) => a * b, 1))
    const [, , channels = 0, filters = 0] = kernel.shape
    convLoop(x.shape, kernel.shape, attrs, (xAt, kAt, yAt) => {
      for (let c = 0; c < channels; c++) {
        const xv = x.data[xAt + c] as number
        const row = kAt + c * filters
        for (let f = 0; f < filters; f++)
          out[yAt + f] = (out[yAt + f] as number) + xv * (kernel.data[row + f] as number)
      }
    })
    return [out]
  },
  amp: [{ class: 'allow', inputs: [0, 1], outputs: [0], wideOutputs: [0] }],
  fusion: 'contraction',
  tolerance: 'accumulation',
  cost: ([, kernel], [y]) => convCost(kernel, y),
}

export const conv2dVjp: OpVjp<'conv2d'> = ({ outGrads: [g], inputs: [x, kernel], attrs, b }) => {
  const dy = b.cast(g, x.dtype)
  return [
    b.emit1('conv2dInputGradient', [dy, kernel], { ...attrs, resultDtype: null, inputShape: x.shape }),
    b.emit1('conv2dFilterGradient', [x, dy], { ...attrs, resultDtype: null, filterShape: kernel.shape }),
  ]
}
