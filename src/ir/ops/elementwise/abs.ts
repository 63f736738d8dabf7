import { ampAll, elementwiseCost, type OpDef, type OpDoc, type OpVjp } from '../../op-def.ts'
import { numericUnary, mapUnary, unaryExample } from './shared.ts'

export const absDoc: OpDoc = {
  summary: '|x|.',
  constraints: [
    'C1: a numeric operand',
    'C2: NaN stays NaN; |-0| is 0; int32 wraps around',
    'C3: the gradient at 0 is 0',
  ],
  example: /* @__PURE__ */ unaryExample('abs'),
}

export const abs: OpDef<'abs'> = {
  name: 'abs',
  level: 'primitive',
  arity: 1,
  attrs: {},
  infer: numericUnary,
  evalRef: ({ inputs: [x] }) => mapUnary(x, Math.abs),
  amp: ampAll('clear'),
  fusion: 'elementwise',
  tolerance: 'exact',
  cost: elementwiseCost,
}

export const absVjp: OpVjp<'abs'> = ({ outGrads: [g], inputs: [x], b }) => [b.mul(g, b.unary('sign', x))]
