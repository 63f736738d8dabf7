import type { OpDef, OpDoc, OpVjp } from '../../op-def.ts'
import type { ElementwiseOps } from '../../signatures.ts'
import { abs, absDoc, absVjp } from './abs.ts'
import { add, addDoc, addVjp } from './add.ts'
import { and, andDoc, andVjp } from './and.ts'
import { cast, castDoc, castVjp } from './cast.ts'
import { ceil, ceilDoc, ceilVjp } from './ceil.ts'
import { compare, compareDoc, compareVjp } from './compare.ts'
import { cos, cosDoc, cosVjp } from './cos.ts'
import { div, divDoc, divVjp } from './div.ts'
import { elu, eluDoc, eluVjp } from './elu.ts'
import { erf, erfDoc, erfVjp } from './erf.ts'
import { exp, expDoc, expVjp } from './exp.ts'
import { expm1, expm1Doc, expm1Vjp } from './expm1.ts'
import { floor, floorDoc, floorVjp } from './floor.ts'
// biome-ignore lint/suspicious/noShadowRestrictedNames: the table's keys are the ops' names.
import { isFinite, isFiniteDoc, isFiniteVjp } from './is-finite.ts'
import { log, logDoc, logVjp } from './log.ts'
import { log1p, log1pDoc, log1pVjp } from './log1p.ts'
import { maximum, maximumDoc, maximumVjp } from './maximum.ts'
import { minimum, minimumDoc, minimumVjp } from './minimum.ts'
import { mul, mulDoc, mulVjp } from './mul.ts'
import { neg, negDoc, negVjp } from './neg.ts'
import { not, notDoc, notVjp } from './not.ts'
import { or, orDoc, orVjp } from './or.ts'
import { pow, powDoc, powVjp } from './pow.ts'
import { reciprocal, reciprocalDoc, reciprocalVjp } from './reciprocal.ts'
import { relu, reluDoc, reluVjp } from './relu.ts'
import { relu6, relu6Doc, relu6Vjp } from './relu6.ts'
import { remainder, remainderDoc, remainderVjp } from './remainder.ts'
import { round, roundDoc, roundVjp } from './round.ts'
import { rsqrt, rsqrtDoc, rsqrtVjp } from './rsqrt.ts'
import { select, selectDoc, selectVjp } from './select.ts'
import { selu, seluDoc, seluVjp } from './selu.ts'
import { sigmoid, sigmoidDoc, sigmoidVjp } from './sigmoid.ts'
import { sign, signDoc, signVjp } from './sign.ts'
import { sin, sinDoc, sinVjp } from './sin.ts'
import { softplus, softplusDoc, softplusVjp } from './softplus.ts'
import { sqrt, sqrtDoc, sqrtVjp } from './sqrt.ts'
import { sub, subDoc, subVjp } from './sub.ts'
import { tanh, tanhDoc, tanhVjp } from './tanh.ts'

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

export const elementwiseVjps: { readonly [K in keyof ElementwiseOps]: OpVjp<K> } = {
  abs: absVjp,
  add: addVjp,
  and: andVjp,
  cast: castVjp,
  ceil: ceilVjp,
  compare: compareVjp,
  cos: cosVjp,
  div: divVjp,
  elu: eluVjp,
  erf: erfVjp,
  exp: expVjp,
  expm1: expm1Vjp,
  floor: floorVjp,
  isFinite: isFiniteVjp,
  log: logVjp,
  log1p: log1pVjp,
  maximum: maximumVjp,
  minimum: minimumVjp,
  mul: mulVjp,
  neg: negVjp,
  not: notVjp,
  or: orVjp,
  pow: powVjp,
  reciprocal: reciprocalVjp,
  relu: reluVjp,
  relu6: relu6Vjp,
  remainder: remainderVjp,
  round: roundVjp,
  rsqrt: rsqrtVjp,
  select: selectVjp,
  selu: seluVjp,
  sigmoid: sigmoidVjp,
  sign: signVjp,
  sin: sinVjp,
  softplus: softplusVjp,
  sqrt: sqrtVjp,
  sub: subVjp,
  tanh: tanhVjp,
}
