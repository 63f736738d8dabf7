import { ampAll, elementwiseCost, type OpDef } from '../../op-def.ts'
import { floatUnary, mapUnary, unaryExample } from './shared.ts'

export const ceil: OpDef<'ceil'> = {
  name: 'ceil',
  summary: 'The smallest integer that is not less.',
  constraints: ['C1: a float operand'],
  level: 'primitive',
  arity: 1,
  attrs: {},
  infer: floatUnary,
  evalRef: ({ inputs: [x] }) => mapUnary(x, Math.ceil),
  vjp: 'zero',
  amp: ampAll('clear'),
  fusion: 'elementwise',
  tolerance: 'exact',
  cost: elementwiseCost,
  example: unaryExample('ceil'),
}
