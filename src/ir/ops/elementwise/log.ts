import { ampAll, elementwiseCost, type OpDef, type OpDoc, type OpVjp } from '../../op-def.ts'
import { floatUnary, mapUnary, unaryExample } from './shared.ts'

export const logDoc: OpDoc = {
  summary: 'Natural logarithm.',
  constraints: ['C1: a float operand', 'C2: NaN below 0, -infinity at 0'],
  example: /* @__PURE__ */ unaryExample('log'),
}

export const log: OpDef<'log'> = {
  name: 'log',
  level: 'primitive',
  arity: 1,
  attrs: {},
  infer: floatUnary,
  evalRef: ({ inputs: [x] }) => mapUnary(x, Math.log),
  amp: ampAll('infer'),
  fusion: 'elementwise',
  tolerance: 'transcendental',
  cost: elementwiseCost,
}

export const logVjp: OpVjp<'log'> = ({ outGrads: [g], inputs: [x], b }) => [b.div(g, x)]
