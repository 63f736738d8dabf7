import { ampAll, elementwiseCost, type OpDef, type OpDoc, type OpVjp } from '../../op-def.ts'
import { floatUnary, mapUnary, unaryExample } from './shared.ts'

export const sinDoc: OpDoc = {
  summary: 'Sine of x in radians.',
  constraints: ['C1: a float operand', 'C2: NaN for infinities'],
  example: /* @__PURE__ */ unaryExample('sin'),
}

export const sin: OpDef<'sin'> = {
  name: 'sin',
  level: 'primitive',
  arity: 1,
  attrs: {},
  infer: floatUnary,
  evalRef: ({ inputs: [x] }) => mapUnary(x, Math.sin),
  amp: ampAll('deny'),
  fusion: 'elementwise',
  tolerance: 'transcendental',
  cost: elementwiseCost,
}

export const sinVjp: OpVjp<'sin'> = ({ outGrads: [g], inputs: [x], b }) => [b.mul(g, b.unary('cos', x))]
