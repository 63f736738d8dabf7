/**
 * Elementwise ops as WGSL expressions (mapped.ts). tfjs's kernels compute some int32 ops in float32, lose NaN in relu, maximum and sign, and use WGSL's
 * inaccurate functions; effuse's programs are as fast.
 */
import type { ElementwiseOps } from '../../../ir/signatures.ts'
import { isFloat, type Node, type Type } from '../../../ir/types.ts'
import type { Lowering } from '../lowering.ts'
import type { Planner } from '../planner.ts'
import type { View } from '../view.ts'
import { mapped } from './mapped.ts'
import { wgslOps } from '../../webgpu/wgsl/ops.ts'

interface Args<In extends readonly View[]> {
  readonly node: Node
  readonly inputs: In
  readonly types: readonly [Type]
  readonly planner: Planner
}

/** By the expression of the op. */
const mappedBy =
  (op: Exclude<keyof ElementwiseOps, 'compare' | 'select' | 'cast'>) =>
  ({ node, inputs, types: [type], planner }: Args<readonly [View] | readonly [View, View]>): readonly [View] => [
    mapped({ name: node.op, inputs, type, expression: wgslOps[op]({}, inputs[0].type.dtype) }, planner),
  ]

export const elementwiseLowering: { readonly [K in keyof ElementwiseOps]: Lowering<K> } = {
  neg: mappedBy('neg'),
  abs: mappedBy('abs'),
  sign: mappedBy('sign'),
  floor: mappedBy('floor'),
  ceil: mappedBy('ceil'),
  round: mappedBy('round'),
  exp: mappedBy('exp'),
  expm1: mappedBy('expm1'),
  log: mappedBy('log'),
  log1p: mappedBy('log1p'),
  sqrt: mappedBy('sqrt'),
  rsqrt: mappedBy('rsqrt'),
  reciprocal: mappedBy('reciprocal'),
  sin: mappedBy('sin'),
  cos: mappedBy('cos'),
  tanh: mappedBy('tanh'),
  erf: mappedBy('erf'),
  sigmoid: mappedBy('sigmoid'),
  softplus: mappedBy('softplus'),
  relu: mappedBy('relu'),
  relu6: mappedBy('relu6'),
  elu: mappedBy('elu'),
  selu: mappedBy('selu'),
  not: mappedBy('not'),
  isFinite: mappedBy('isFinite'),
  add: mappedBy('add'),
  sub: mappedBy('sub'),
  mul: mappedBy('mul'),
  div: mappedBy('div'),
  pow: mappedBy('pow'),
  maximum: mappedBy('maximum'),
  minimum: mappedBy('minimum'),
  remainder: mappedBy('remainder'),
  and: mappedBy('and'),
  or: mappedBy('or'),
  compare: ({ node, attrs: { direction }, inputs, types: [type], planner }) => [
    mapped({ name: node.op, inputs, type, expression: wgslOps.compare({ direction }, inputs[0].type.dtype) }, planner),
  ],
  // Flag and branches stay on the device, so nothing is read back.
  select: ({ node, attrs, inputs: [condition, a, b], types: [type], planner }) => {
    const isScalar = condition.type.shape.length === 0
    const flag = isScalar
      ? { ...condition, shape: type.shape.map(() => 1), type: { ...type, dtype: 'bool' as const } }
      : condition
    return [mapped({ name: node.op, inputs: [flag, a, b], type, expression: wgslOps.select(attrs, 'bool') }, planner)]
  },
  cast: ({ node, attrs, inputs: [x], types: [type], planner }) => {
    const from = x.type.dtype
    if (from === type.dtype || (isFloat(from) && isFloat(type.dtype))) return [{ ...x, type }]
    return [mapped({ name: node.op, inputs: [x], type, expression: wgslOps.cast(attrs, from) }, planner)]
  },
}
