import { ampAll, elementwiseCost, type OpDef } from '../../op-def.ts'
import { floatUnary, mapUnary, unaryExample } from './shared.ts'

export const floor: OpDef<'floor'> = {
  name: 'floor',
  summary: 'The largest integer that is not greater.',
  constraints: ['C1: a float operand'],
  level: 'primitive',
  arity: 1,
  attrs: {},
  infer: floatUnary,
  evalRef: ({ inputs: [x] }) => mapUnary(x, Math.floor),
  vjp: 'zero',
  amp: ampAll('clear'),
  fusion: 'elementwise',
  tolerance: 'exact',
  cost: elementwiseCost,
  example: unaryExample('floor'),
}
