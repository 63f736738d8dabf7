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

type Mapped = Exclude<keyof ElementwiseOps, 'compare' | 'select' | 'cast'>
/** By the expression of the op. */
const mappedBy =
  (op: Mapped) =>
  ({ node, inputs, types: [type], planner }: Args<readonly [View] | readonly [View, View]>): readonly [View] => [
    mapped({ name: node.op, inputs, type, expression: wgslOps[op]({}, inputs[0].type.dtype) }, planner),
  ]

const mappedOps = (Object.keys(wgslOps) as (keyof ElementwiseOps)[]).filter(
  (op): op is Mapped => op !== 'compare' && op !== 'select' && op !== 'cast',
)

export const elementwiseLowering: { readonly [K in keyof ElementwiseOps]: Lowering<K> } = {
  // One for each name: TypeScript does not follow that.
  ...(Object.fromEntries(mappedOps.map((op) => [op, mappedBy(op)])) as object as {
    readonly [K in Mapped]: Lowering<K>
  }),
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
