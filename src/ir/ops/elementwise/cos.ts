import { ampAll, elementwiseCost, type OpDef, type OpDoc, type OpVjp } from '../../op-def.ts'
import { floatUnary, mapUnary, unaryExample } from './shared.ts'

export const cosDoc: OpDoc = {
  summary: 'Cosine of x in radians.',
  constraints: ['C1: a float operand', 'C2: NaN for infinities'],
  example: /* @__PURE__ */ unaryExample('cos'),
}

export const cos: OpDef<'cos'> = {
  name: 'cos',
  level: 'primitive',
  arity: 1,
  attrs: {},
  infer: floatUnary,
  evalRef: ({ inputs: [x] }) => mapUnary(x, Math.cos),
  amp: ampAll('deny'),
  fusion: 'elementwise',
  tolerance: 'transcendental',
  cost: elementwiseCost,
}

export const cosVjp: OpVjp<'cos'> = ({ outGrads: [g], inputs: [x], b }) => [b.neg(b.mul(g, b.unary('sin', x)))]
