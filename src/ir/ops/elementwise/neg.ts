import { ampAll, elementwiseCost, type OpDef, type OpDoc, type OpVjp } from '../../op-def.ts'
import { numericUnary, mapUnary, unaryExample } from './shared.ts'

export const negDoc: OpDoc = {
  summary: '-x.',
  constraints: ['C1: a numeric operand', 'C2: the sign bit flips, also of zeros; int32 wraps around'],
  example: /* @__PURE__ */ unaryExample('neg'),
}

export const neg: OpDef<'neg'> = {
  name: 'neg',
  level: 'primitive',
  arity: 1,
  attrs: {},
  infer: numericUnary,
  evalRef: ({ inputs: [x] }) => mapUnary(x, (v) => -v),
  amp: ampAll('clear'),
  fusion: 'elementwise',
  tolerance: 'exact',
  cost: elementwiseCost,
}

export const negVjp: OpVjp<'neg'> = ({ outGrads: [g], b }) => [b.neg(g)]
