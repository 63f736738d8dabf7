import { ampAll, elementwiseCost, type OpDef } from '../../op-def.ts'
import { boolUnary, mapUnary, unaryExample } from './shared.ts'

export const not: OpDef<'not'> = {
  name: 'not',
  summary: 'Logical negation.',
  constraints: ['C1: a bool operand'],
  level: 'primitive',
  arity: 1,
  attrs: {},
  infer: boolUnary,
  evalRef: ({ inputs: [x] }) => mapUnary(x, (v) => 1 - v),
  vjp: 'zero',
  amp: ampAll('clear'),
  fusion: 'elementwise',
  tolerance: 'exact',
  cost: elementwiseCost,
  example: unaryExample('not', 'bool[3]'),
}
