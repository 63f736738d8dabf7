import { ampAll, type OpDef, type OpDoc, type OpVjp } from '../../op-def.ts'
import { elements } from '../../types.ts'
import { productOfOthers } from './products.ts'
import { fold, reduceAttrSpecs, reduceExample, reduceTypes, spread } from './shared.ts'

export const reduceProdDoc: OpDoc = {
  summary: 'Product over axes.',
  constraints: [
    'C1: ascending axes that exist',
    'C2: a numeric operand',
    'C3: order free; int32 wraps around',
    'C4: the gradient is the product of the others, without division: right at zeros too',
  ],
  example: /* @__PURE__ */ reduceExample('reduceProd'),
}

export const reduceProd: OpDef<'reduceProd'> = {
  name: 'reduceProd',
  level: 'primitive',
  arity: 1,
  attrs: reduceAttrSpecs,
  infer: ([x], attrs) => reduceTypes(x, attrs, (dtype) => dtype !== 'bool', 'a numeric'),
  evalRef: ({ inputs: [x], attrs: { axes } }) => [
    fold(x, axes, 1, x.dtype === 'int32' ? Math.imul : (product, v) => product * v),
  ],
  amp: ampAll('deny'),
  fusion: 'reduction',
  tolerance: 'accumulation',
  cost: ([x]) => ({ multiplyAdds: 0, operations: elements(x.shape) }),
}

export const reduceProdVjp: OpVjp<'reduceProd'> = ({ outGrads: [g], inputs: [x], attrs: { axes }, b }) => [
  b.mul(spread(b, g, x, axes), productOfOthers(b, x, axes)),
]
