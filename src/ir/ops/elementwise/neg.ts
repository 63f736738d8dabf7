import { ampAll, elementwiseCost, type OpDef } from '../../op-def.ts'
import { numericUnary, mapUnary, unaryExample } from './shared.ts'

export const neg: OpDef<'neg'> = {
  name: 'neg',
  summary: '-x.',
  constraints: ['C1: a numeric operand', 'C2: the sign bit flips, also of zeros; int32 wraps around'],
  level: 'primitive',
  arity: 1,
  attrs: {},
  infer: numericUnary,
  evalRef: ({ inputs: [x] }) => mapUnary(x, (v) => -v),
  vjp: ({ outGrads: [g], b }) => [b.neg(g)],
  amp: ampAll('clear'),
  fusion: 'elementwise',
  tolerance: 'exact',
  cost: elementwiseCost,
  example: unaryExample('neg'),
}
