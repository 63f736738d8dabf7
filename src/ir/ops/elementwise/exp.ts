import { ampAll, elementwiseCost, type OpDef } from '../../op-def.ts'
import { floatUnary, mapUnary, unaryExample } from './shared.ts'

export const exp: OpDef<'exp'> = {
  name: 'exp',
  summary: 'e to the x.',
  constraints: ['C1: a float operand', 'C2: overflows to infinity'],
  level: 'primitive',
  arity: 1,
  attrs: {},
  infer: floatUnary,
  evalRef: ({ inputs: [x] }) => mapUnary(x, Math.exp),
  vjp: ({ outGrads: [g], outputs: [y], b }) => [b.mul(g, y)],
  amp: ampAll('deny'),
  fusion: 'elementwise',
  tolerance: 'transcendental',
  cost: elementwiseCost,
  example: unaryExample('exp'),
}
