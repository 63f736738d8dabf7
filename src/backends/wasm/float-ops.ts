/** Elementwise ops on floats: the code for a scalar and for a vector of four lanes. Floats of all types are float32 on the stack. */
import { erf } from './elementary/erf.ts'
import { exp, expm1 } from './elementary/exp.ts'
import { log, log1p, softplus } from './elementary/log.ts'
import { sigmoid, tanh } from './elementary/sigmoid.ts'
import { elu, selu } from './elementary/elu.ts'
import { perLane, throughVectors } from './lanes.ts'
import { pow, unaryMath } from './math.ts'
import type { NumberOp } from './op-emission.ts'
import { remainder } from './remainder.ts'
import { chain, plain, popOne, type StackOp, withConstants } from './stack-op.ts'

export interface FloatOp {
  readonly scalar: StackOp
  readonly vector: StackOp
}

type Name = 'abs' | 'neg' | 'floor' | 'ceil' | 'nearest' | 'sqrt' | 'add' | 'sub' | 'mul' | 'div' | 'min' | 'max'

/** An op that is one instruction. */
const instruction = (name: Name): FloatOp => ({ scalar: plain(`f32.${name}`), vector: plain(`f32x4.${name}`) })

/** An op written for vectors. A scalar uses the same code, so both have the same bits. */
const ofVector = (vector: StackOp): FloatOp => ({ scalar: throughVectors(vector), vector })

/** An op written for scalars, with this many operands. A vector applies it to each lane. */
const ofScalar = (scalar: StackOp, arity: number): FloatOp => ({ scalar, vector: perLane(scalar, 'f32', arity) })

/** NaN and zeros give themselves. */
const scalarSign: StackOp = (f) => {
  const x = popOne(f, 'f32', 'sign')
  f.f32(1)
  f.get(x)
  f.op('f32.copysign')
  f.get(x)
  f.get(x)
  f.op('f32.abs')
  f.f32(0)
  f.op('f32.gt', 'select')
}

/** Clamps to the limit on one side. NaN and zeros give themselves. */
const scalarLimit =
  (limit: number, beyond: 'f32.lt' | 'f32.gt'): StackOp =>
  (f) => {
    const x = popOne(f, 'f32', 'limited')
    f.f32(limit)
    f.get(x)
    f.get(x)
    f.f32(limit)
    f.op(beyond, 'select')
  }

const scalarReciprocal: StackOp = (f) => {
  const x = popOne(f, 'f32', 'inverse')
  f.f32(1)
  f.get(x)
  f.op('f32.div')
}

const scalarIsFinite: StackOp = (f) => {
  f.op('f32.abs')
  f.f32(Infinity)
  f.op('f32.lt')
}

const vectorReciprocal: StackOp = (f) => {
  const x = popOne(f, 'v128', 'inverse')
  f.f32x4(1)
  f.get(x)
  f.op('f32x4.div')
}

/** NaN and zeros give themselves; other numbers give 1 with the sign of x. */
const vectorSign: StackOp = (f) => {
  const x = popOne(f, 'v128', 'sign')
  f.get(x)
  f.f32x4(-0)
  f.op('v128.and')
  f.f32x4(1)
  f.op('v128.or')
  f.get(x)
  f.get(x)
  f.op('f32x4.abs')
  f.f32x4(0)
  f.op('f32x4.gt', 'v128.bitselect')
}

/** pmax(x, 0) gives x where x is NaN or -0. It is one instruction on x64, while max takes several. */
const vectorRelu = withConstants([0, 'f32x4.pmax'])

/** Operands and results are float32, except the result of isFinite: an i32 or a mask. */
export const floatOps: { readonly [K in NumberOp]: FloatOp } = {
  abs: instruction('abs'),
  neg: instruction('neg'),
  sign: { scalar: scalarSign, vector: vectorSign },
  floor: instruction('floor'),
  ceil: instruction('ceil'),
  round: instruction('nearest'),
  sqrt: instruction('sqrt'),
  rsqrt: {
    scalar: chain(plain('f32.sqrt'), scalarReciprocal),
    vector: chain(plain('f32x4.sqrt'), vectorReciprocal),
  },
  reciprocal: { scalar: scalarReciprocal, vector: vectorReciprocal },
  relu: { scalar: scalarLimit(0, 'f32.lt'), vector: vectorRelu },
  relu6: {
    scalar: chain(scalarLimit(0, 'f32.lt'), scalarLimit(6, 'f32.gt')),
    vector: chain(vectorRelu, withConstants([6, 'f32x4.pmin'])),
  },
  isFinite: {
    scalar: scalarIsFinite,
    vector: chain(plain('f32x4.abs'), withConstants([Infinity, 'f32x4.lt'])),
  },
  add: instruction('add'),
  sub: instruction('sub'),
  mul: instruction('mul'),
  div: instruction('div'),
  maximum: instruction('max'),
  minimum: instruction('min'),
  remainder: ofScalar(remainder, 2),
  pow: ofScalar(pow, 2),
  sin: ofScalar(unaryMath('sin'), 1),
  cos: ofScalar(unaryMath('cos'), 1),
  exp: ofVector(exp),
  expm1: ofVector(expm1),
  log: ofVector(log),
  log1p: ofVector(log1p),
  sigmoid: ofVector(sigmoid),
  softplus: ofVector(softplus),
  tanh: ofVector(tanh),
  erf: ofVector(erf),
  elu: ofVector(elu),
  selu: ofVector(selu),
}
