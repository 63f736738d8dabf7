import { ampAll, elementwiseCost, type OpDef, type OpDoc, type OpVjp } from '../../op-def.ts'
import { floatUnary, mapUnary, unaryExample } from './shared.ts'

export const rsqrtDoc: OpDoc = {
  summary: '1 / sqrt(x).',
  constraints: ['C1: a float operand', 'C2: NaN below 0, infinity with its sign at zeros'],
  example: /* @__PURE__ */ unaryExample('rsqrt'),
}

export const rsqrt: OpDef<'rsqrt'> = {
  name: 'rsqrt',
  level: 'primitive',
  arity: 1,
  attrs: {},
  infer: floatUnary,
  evalRef: ({ inputs: [x] }) => mapUnary(x, (v) => 1 / Math.sqrt(v)),
  amp: ampAll('infer'),
  fusion: 'elementwise',
  tolerance: 'transcendental',
  cost: elementwiseCost,
}

export const rsqrtVjp: OpVjp<'rsqrt'> = ({ outGrads: [g], inputs: [x], outputs: [y], b }) => [
  b.mul(g, b.mul(b.div(y, x), -0.5)),
]
