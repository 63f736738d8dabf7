import { ampAll, type OpDef, type OpDoc, type OpVjp } from '../../op-def.ts'
import { elements } from '../../types.ts'
import { fold, reduceAttrSpecs, reduceExample, reduceTypes, spread } from './shared.ts'

export const reduceMinDoc: OpDoc = {
  summary: 'The smallest element over axes.',
  constraints: [
    'C1: ascending axes that exist',
    'C2: a numeric operand',
    'C3: NaN if an element is NaN',
    'C4: equal elements share the gradient evenly; it is NaN where the result is',
  ],
  example: /* @__PURE__ */ reduceExample('reduceMin'),
}

export const reduceMin: OpDef<'reduceMin'> = {
  name: 'reduceMin',
  level: 'primitive',
  arity: 1,
  attrs: reduceAttrSpecs,
  infer: ([x], attrs) => reduceTypes(x, attrs, (dtype) => dtype !== 'bool', 'a numeric'),
  evalRef: ({ inputs: [x], attrs: { axes } }) => [fold(x, axes, Infinity, (best, v) => Math.min(best, v))],
  amp: ampAll('clear'),
  fusion: 'reduction',
  tolerance: 'exact',
  cost: ([x]) => ({ multiplyAdds: 0, operations: elements(x.shape) }),
}

export const reduceMinVjp: OpVjp<'reduceMin'> = ({ outGrads: [g], inputs: [x], outputs: [y], attrs: { axes }, b }) => {
  const isBest = b.cast(b.compare('eq', x, spread(b, y, x, axes)), x.dtype)
  return [b.mul(isBest, b.div(spread(b, g, x, axes), spread(b, b.reduceSum(isBest, axes), x, axes)))]
}
