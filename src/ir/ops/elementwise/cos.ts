import { ampAll, elementwiseCost, type OpDef } from '../../op-def.ts'
import { floatUnary, mapUnary, unaryExample } from './shared.ts'

export const cos: OpDef<'cos'> = {
  name: 'cos',
  summary: 'Cosine of x in radians.',
  constraints: ['C1: a float operand', 'C2: NaN for infinities'],
  level: 'primitive',
  arity: 1,
  attrs: {},
  infer: floatUnary,
  evalRef: ({ inputs: [x] }) => mapUnary(x, Math.cos),
  vjp: ({ outGrads: [g], inputs: [x], b }) => [b.neg(b.mul(g, b.unary('sin', x)))],
  amp: ampAll('deny'),
  fusion: 'elementwise',
  tolerance: 'transcendental',
  cost: elementwiseCost,
  example: unaryExample('cos'),
}
