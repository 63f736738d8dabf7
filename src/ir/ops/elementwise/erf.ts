import { ampAll, elementwiseCost, type OpDef, type OpDoc, type OpVjp } from '../../op-def.ts'
import { floatUnary, mapUnary, unaryExample } from './shared.ts'

export const erfDoc: OpDoc = {
  summary: 'The error function, 2 / sqrt(pi) times the integral of exp(-t^2) from 0 to x.',
  constraints: ['C1: a float operand', 'C2: odd: erf(-x) = -erf(x); infinities give 1 and -1'],
  example: /* @__PURE__ */ unaryExample('erf'),
}

export const erf: OpDef<'erf'> = {
  name: 'erf',
  level: 'primitive',
  arity: 1,
  attrs: {},
  infer: floatUnary,
  evalRef: ({ inputs: [x] }) => mapUnary(x, errorFunction),
  amp: ampAll('infer'),
  fusion: 'elementwise',
  tolerance: 'transcendental',
  cost: elementwiseCost,
}

export const erfVjp: OpVjp<'erf'> = ({ outGrads: [g], inputs: [x], b }) => [
  b.mul(g, b.mul(b.exp(b.neg(b.mul(x, x))), 2 / Math.sqrt(Math.PI))),
]

/**
 * Series near 0 (Abramowitz and Stegun 7.1.6: all terms positive, so nothing cancels), continued fraction of erfc beyond 2
 * (7.1.14, evaluated backwards; 60 terms are enough from 1.75 on). The error of both is below 1e-15.
 * The series converges beyond 2 as well, but exp(-x^2) loses digits as x grows; in 1 - erfc that loss is multiplied by erfc.
 */
const errorFunction = (x: number): number => {
  if (Number.isNaN(x)) return x
  const a = Math.abs(x)
  if (a > 6) return Math.sign(x)
  if (a > 2) return Math.sign(x) * (1 - complement(a))
  let term = x
  let sum = x
  for (let n = 1; Math.abs(term) > 1e-18 * Math.abs(sum); n++) {
    term *= (2 * x * x) / (2 * n + 1)
    sum += term
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum
}

const complement = (x: number): number => {
  let tail = x
  for (let k = 60; k >= 1; k--) tail = x + k / 2 / tail
  return Math.exp(-x * x) / (Math.sqrt(Math.PI) * tail)
}
