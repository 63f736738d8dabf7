import type { OpDef, OpDoc, OpVjp } from '../../op-def.ts'
import { elements } from '../../types.ts'
import { fold, reduceExample, spread, wideReduceAttrSpecs, wideReduceTypes } from './shared.ts'

export const reduceSumDoc: OpDoc = {
  summary: 'Sum over axes.',
  constraints: [
    'C1: ascending axes that exist',
    'C2: a numeric operand',
    'C3: resultDtype is null or not narrower than the operand',
    'C4: sums in the widest type at hand; order free; int32 wraps around',
  ],
  example: /* @__PURE__ */ reduceExample('reduceSum'),
}

export const reduceSum: OpDef<'reduceSum'> = {
  name: 'reduceSum',
  level: 'primitive',
  arity: 1,
  attrs: wideReduceAttrSpecs,
  infer: ([x], attrs) => wideReduceTypes(x, attrs, (dtype) => dtype !== 'bool', 'a numeric'),
  evalRef: ({ inputs: [x], attrs: { axes } }) => [fold(x, axes, 0, (sum, v) => sum + v)],
  amp: [{ class: 'wide', inputs: [0], outputs: [0], wideOutputs: [0] }],
  fusion: 'reduction',
  tolerance: 'accumulation',
  cost: ([x]) => ({ multiplyAdds: 0, operations: elements(x.shape) }),
}

export const reduceSumVjp: OpVjp<'reduceSum'> = ({ outGrads: [g], inputs: [x], attrs: { axes }, b }) => [
  spread(b, b.cast(g, x.dtype), x, axes),
]
