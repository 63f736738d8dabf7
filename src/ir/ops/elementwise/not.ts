import { ampAll, elementwiseCost, type OpDef, type OpDoc, type OpVjp } from '../../op-def.ts'
import { boolUnary, mapUnary, unaryExample } from './shared.ts'

export const notDoc: OpDoc = {
  summary: 'Logical negation.',
  constraints: ['C1: a bool operand'],
  example: /* @__PURE__ */ unaryExample('not', 'bool[3]'),
}

export const not: OpDef<'not'> = {
  name: 'not',
  level: 'primitive',
  arity: 1,
  attrs: {},
  infer: boolUnary,
  evalRef: ({ inputs: [x] }) => mapUnary(x, (v) => 1 - v),
  amp: ampAll('clear'),
  fusion: 'elementwise',
  tolerance: 'exact',
  cost: elementwiseCost,
}

export const notVjp: OpVjp<'not'> = 'zero'
