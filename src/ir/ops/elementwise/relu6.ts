import { ampAll, elementwiseCost, type OpDef, type OpDoc, type OpVjp } from '../../op-def.ts'
import { floatUnary, mapUnary, unaryExample } from './shared.ts'

export const relu6Doc: OpDoc = {
  summary: 'min(max(x, 0), 6).',
  constraints: ['C1: a float operand', 'C2: NaN stays NaN', 'C3: the gradient at 0 and at 6 is 0'],
  example: /* @__PURE__ */ unaryExample('relu6'),
}

export const relu6: OpDef<'relu6'> = {
  name: 'relu6',
  level: 'primitive',
  arity: 1,
  attrs: {},
  infer: floatUnary,
  evalRef: ({ inputs: [x] }) => mapUnary(x, (v) => (v < 0 ? 0 : v > 6 ? 6 : v)),
  amp: ampAll('clear'),
  fusion: 'elementwise',
  tolerance: 'exact',
  cost: elementwiseCost,
}

export const relu6Vjp: OpVjp<'relu6'> = ({ outGrads: [g], inputs: [x], b }) => [
  b.select(b.emit1('and', [b.compare('gt', x, 0), b.compare('lt', x, 6)], {}), g, 0),
]
