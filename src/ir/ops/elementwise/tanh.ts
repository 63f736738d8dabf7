import { ampAll, elementwiseCost, type OpDef, type OpDoc, type OpVjp } from '../../op-def.ts'
import { floatUnary, mapUnary, unaryExample } from './shared.ts'

export const tanhDoc: OpDoc = {
  summary: 'Hyperbolic tangent.',
  constraints: ['C1: a float operand'],
  example: /* @__PURE__ */ unaryExample('tanh'),
}

export const tanh: OpDef<'tanh'> = {
  name: 'tanh',
  level: 'primitive',
  arity: 1,
  attrs: {},
  infer: floatUnary,
  evalRef: ({ inputs: [x] }) => mapUnary(x, Math.tanh),
  amp: ampAll('infer'),
  fusion: 'elementwise',
  tolerance: 'transcendental',
  cost: elementwiseCost,
}

export const tanhVjp: OpVjp<'tanh'> = ({ outGrads: [g], outputs: [y], b }) => [b.mul(g, b.sub(1, b.mul(y, y)))]
