import { ampAll, elementwiseCost, type OpDef, type OpDoc, type OpVjp } from '../../op-def.ts'
import { floatUnary, mapUnary, unaryExample } from './shared.ts'

/** Exact for every double. */
const roundHalfEven = (v: number): number => {
  const below = Math.floor(v)
  const rest = v - below
  const rounded = rest < 0.5 || (rest === 0.5 && below % 2 === 0) ? below : below + 1
  return rounded === 0 && (v < 0 || Object.is(v, -0)) ? -0 : rounded
}

export const roundDoc: OpDoc = {
  summary: 'The nearest integer.',
  constraints: [
    'C1: a float operand',
    'C2: halfway goes to the even one (IEEE 754 roundToIntegralTiesToEven); the sign of zero stays',
  ],
  example: /* @__PURE__ */ unaryExample('round'),
}

export const round: OpDef<'round'> = {
  name: 'round',
  level: 'primitive',
  arity: 1,
  attrs: {},
  infer: floatUnary,
  evalRef: ({ inputs: [x] }) => mapUnary(x, roundHalfEven),
  amp: ampAll('clear'),
  fusion: 'elementwise',
  tolerance: 'exact',
  cost: elementwiseCost,
}

export const roundVjp: OpVjp<'round'> = 'zero'
