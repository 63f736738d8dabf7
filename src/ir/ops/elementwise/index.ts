import type { OpDef } from '../../op-def.ts'
import type { ElementwiseOps } from '../../signatures.ts'
import { abs } from './abs.ts'
import { add } from './add.ts'
import { and } from './and.ts'
import { cast } from './cast.ts'
import { ceil } from './ceil.ts'
import { compare } from './compare.ts'
import { cos } from './cos.ts'
import { div } from './div.ts'
import { elu } from './elu.ts'
import { erf } from './erf.ts'
import { exp } from './exp.ts'
import { expm1 } from './expm1.ts'
import { floor } from './floor.ts'
// biome-ignore lint/suspicious/noShadowRestrictedNames: the table's keys are the ops' names.
import { isFinite } from './is-finite.ts'
import { log } from './log.ts'
import { log1p } from './log1p.ts'
import { maximum } from './maximum.ts'
import { minimum } from './minimum.ts'
import { mul } from './mul.ts'
import { neg } from './neg.ts'
import { not } from './not.ts'
import { or } from './or.ts'
import { pow } from './pow.ts'
import { reciprocal } from './reciprocal.ts'
import { relu } from './relu.ts'
import { relu6 } from './relu6.ts'
import { remainder } from './remainder.ts'
import { round } from './round.ts'
import { rsqrt } from './rsqrt.ts'
import { select } from './select.ts'
import { selu } from './selu.ts'
import { sigmoid } from './sigmoid.ts'
import { sign } from './sign.ts'
import { sin } from './sin.ts'
import { softplus } from './softplus.ts'
import { sqrt } from './sqrt.ts'
import { sub } from './sub.ts'
import { tanh } from './tanh.ts'

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
