import { ampAll, elementwiseCost, type OpDef, type OpDoc, type OpVjp } from '../../op-def.ts'
import { floatUnary, mapUnary, unaryExample } from './shared.ts'

export const log1pDoc: OpDoc = {
  summary: 'log(1 + x), exact near 0.',
  constraints: ['C1: a float operand', 'C2: NaN below -1, -infinity at -1'],
  example: /* @__PURE__ */ unaryExample('log1p'),
}

export const log1p: OpDef<'log1p'> = {
  name: 'log1p',
  level: 'primitive',
  arity: 1,
  attrs: {},
  infer: floatUnary,
  evalRef: ({ inputs: [x] }) => mapUnary(x, Math.log1p),
  amp: ampAll('infer'),
  fusion: 'elementwise',
  tolerance: 'transcendental',
  cost: elementwiseCost,
}

export const log1pVjp: OpVjp<'log1p'> = ({ outGrads: [g], inputs: [x], b }) => [b.div(g, b.add(x, 1))]
