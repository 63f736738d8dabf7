import { ampAll, elementwiseCost, type OpDef, type OpDoc, type OpVjp } from '../../op-def.ts'
import { binaryExample, floatBinary, mapBinary } from './shared.ts'

export const powDoc: OpDoc = {
  summary: 'x to the y.',
  constraints: [
    'C1: equal shapes',
    'C2: equal dtypes',
    'C3: numeric',
    'C4: float',
    'C5: as IEEE 754 pow: 1 to anything and anything to 0 are 1',
    'C6: NaN for a finite negative base and a fractional exponent',
    'C7: the gradient by x is 0 at 0 to the 0; the gradient by y takes log(x) as 0 where x is not above 0',
  ],
  example: /* @__PURE__ */ binaryExample('pow'),
}

export const pow: OpDef<'pow'> = {
  name: 'pow',
  level: 'primitive',
  arity: 2,
  attrs: {},
  infer: floatBinary,
  evalRef: ({ inputs: [a, b] }) => mapBinary(a, b, power),
  amp: ampAll('deny'),
  fusion: 'elementwise',
  tolerance: 'transcendental',
  cost: elementwiseCost,
}

export const powVjp: OpVjp<'pow'> = ({ outGrads: [g], inputs: [x, y], outputs: [z], b }) => {
  // At 0 to the 0, y x^(y-1) would be 0 times infinity. The gradient by x is 0 there, because x to the 0 is 1 for every x.
  const isZeroToZero = b.emit1('and', [b.compare('eq', x, 0), b.compare('eq', y, 0)], {})
  return [
    b.mul(g, b.mul(y, b.pow(b.select(isZeroToZero, 1, x), b.sub(y, 1)))),
    // At base 0 the power is 0 for every positive exponent, so its gradient by the exponent is 0.
    b.mul(g, b.mul(z, b.log(b.select(b.compare('gt', x, 0), x, 1)))),
  ]
}

/** JavaScript gives NaN for 1 ** infinity and 1 ** NaN, IEEE 754 gives 1. */
const power = (x: number, y: number): number =>
  x === 1 ? 1 : x === -1 && !Number.isFinite(y) && !Number.isNaN(y) ? 1 : x ** y
