import type { OpDef, OpDoc } from '../../op-def.ts'
import type { ElementwiseOps } from '../../signatures.ts'
import { abs, absDoc } from './abs.ts'
import { add, addDoc } from './add.ts'
import { and, andDoc } from './and.ts'
import { cast, castDoc } from './cast.ts'
import { ceil, ceilDoc } from './ceil.ts'
import { compare, compareDoc } from './compare.ts'
import { cos, cosDoc } from './cos.ts'
import { div, divDoc } from './div.ts'
import { elu, eluDoc } from './elu.ts'
import { erf, erfDoc } from './erf.ts'
import { exp, expDoc } from './exp.ts'
import { expm1, expm1Doc } from './expm1.ts'
import { floor, floorDoc } from './floor.ts'
// biome-ignore lint/suspicious/noShadowRestrictedNames: the table's keys are the ops' names.
import { isFinite, isFiniteDoc } from './is-finite.ts'
import { log, logDoc } from './log.ts'
import { log1p, log1pDoc } from './log1p.ts'
import { maximum, maximumDoc } from './maximum.ts'
import { minimum, minimumDoc } from './minimum.ts'
import { mul, mulDoc } from './mul.ts'
import { neg, negDoc } from './neg.ts'
import { not, notDoc } from './not.ts'
import { or, orDoc } from './or.ts'
import { pow, powDoc } from './pow.ts'
import { reciprocal, reciprocalDoc } from './reciprocal.ts'
import { relu, reluDoc } from './relu.ts'
import { relu6, relu6Doc } from './relu6.ts'
import { remainder, remainderDoc } from './remainder.ts'
import { round, roundDoc } from './round.ts'
import { rsqrt, rsqrtDoc } from './rsqrt.ts'
import { select, selectDoc } from './select.ts'
import { selu, seluDoc } from './selu.ts'
import { sigmoid, sigmoidDoc } from './sigmoid.ts'
import { sign, signDoc } from './sign.ts'
import { sin, sinDoc } from './sin.ts'
import { softplus, softplusDoc } from './softplus.ts'
import { sqrt, sqrtDoc } from './sqrt.ts'
import { sub, subDoc } from './sub.ts'
import { tanh, tanhDoc } from './tanh.ts'

/** Elementwise ops: each result element depends on the operands' elements at the same place. */
export const elementwiseOps: { readonly [K in keyof ElementwiseOps]: OpDef<K> } = {
  abs,
  add,
  and,
  cast,
  ceil,
  compare,
  cos,
  div,
  elu,
  erf,
  exp,
  expm1,
  floor,
  isFinite,
  log,
  log1p,
  maximum,
  minimum,
  mul,
  neg,
  not,
  or,
  pow,
  reciprocal,
  relu,
  relu6,
  remainder,
  round,
  rsqrt,
  select,
  selu,
  sigmoid,
  sign,
  sin,
  softplus,
  sqrt,
  sub,
  tanh,
}

export const elementwiseDocs: { readonly [K in keyof ElementwiseOps]: OpDoc } = {
  abs: absDoc,
  add: addDoc,
  and: andDoc,
  cast: castDoc,
  ceil: ceilDoc,
  compare: compareDoc,
  cos: cosDoc,
  div: divDoc,
  elu: eluDoc,
  erf: erfDoc,
  exp: expDoc,
  expm1: expm1Doc,
  floor: floorDoc,
  isFinite: isFiniteDoc,
  log: logDoc,
  log1p: log1pDoc,
  maximum: maximumDoc,
  minimum: minimumDoc,
  mul: mulDoc,
  neg: negDoc,
  not: notDoc,
  or: orDoc,
  pow: powDoc,
  reciprocal: reciprocalDoc,
  relu: reluDoc,
  relu6: relu6Doc,
  remainder: remainderDoc,
  round: roundDoc,
  rsqrt: rsqrtDoc,
  select: selectDoc,
  selu: seluDoc,
  sigmoid: sigmoidDoc,
  sign: signDoc,
  sin: sinDoc,
  softplus: softplusDoc,
  sqrt: sqrtDoc,
  sub: subDoc,
  tanh: tanhDoc,
}
