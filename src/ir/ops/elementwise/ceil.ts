import { ampAll, elementwiseCost, type OpDef, type OpDoc, type OpVjp } from '../../op-def.ts'
import { floatUnary, mapUnary, unaryExample } from './shared.ts'

export const ceilDoc: OpDoc = {
  summary: 'The smallest integer that is not less.',
  constraints: ['C1: a float operand'],
  example: /* @__PURE__ */ unaryExample('ceil'),
}

export const ceil: OpDef<'ceil'> = {
  name: 'ceil',
  level: 'primitive',
  arity: 1,
  attrs: {},
  infer: floatUnary,
  evalRef: ({ inputs: [x] }) => mapUnary(x, Math.ceil),
  amp: ampAll('clear'),
  fusion: 'elementwise',
  tolerance: 'exact',
  cost: elementwiseCost,
}

export const ceilVjp: OpVjp<'ceil'> = 'zero'
