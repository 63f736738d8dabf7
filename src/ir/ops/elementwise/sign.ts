import { ampAll, elementwiseCost, type OpDef, type OpDoc, type OpVjp } from '../../op-def.ts'
import { numericUnary, mapUnary, unaryExample } from './shared.ts'

export const signDoc: OpDoc = {
  summary: '-1, 0 or 1 by the sign of x.',
  constraints: ['C1: a numeric operand', 'C2: NaN stays NaN; zeros keep their sign'],
  example: /* @__PURE__ */ unaryExample('sign'),
}

export const sign: OpDef<'sign'> = {
  name: 'sign',
  level: 'primitive',
  arity: 1,
  attrs: {},
  infer: numericUnary,
  evalRef: ({ inputs: [x] }) => mapUnary(x, Math.sign),
  amp: ampAll('clear'),
  fusion: 'elementwise',
  tolerance: 'exact',
  cost: elementwiseCost,
}

export const signVjp: OpVjp<'sign'> = 'zero'
