/**
 * Pools, with the reference semantics if JavaScript can access the memory: tfjs's kernels lose NaN, XNNPACK silently refuses windows of one
 * element, and the gradients divide by the whole window at the image's edge. EfficientNet has no pools: its global pool is a mean.
 */
import type { Padding, PoolingOps, WindowAttrs } from '../../../ir/signatures.ts'
import type { Node, Type } from '../../../ir/types.ts'
import type { Lowering } from '../lowering.ts'
import type { Planner } from '../planner.ts'
import type { View } from '../view.ts'
import { lowerByReference, made } from './shared.ts'

/** effuse's padding in the form of tfjs's kernels. */
const kernelPadding = (padding: Padding): 'same' | 'valid' | readonly (readonly [number, number])[] =>
  padding === 'same' || padding === 'valid' ? padding : [[0, 0], padding[0], padding[1], [0, 0]]

interface PoolArgs {
  readonly node: Node
  readonly attrs: WindowAttrs
  readonly inputs: readonly [View]
  readonly types: readonly [Type]
  readonly planner: Planner
}

const pool =
  (kernel: string) =>
  ({ node, attrs: { window, strides, padding }, inputs: [x], types: [type], planner }: PoolArgs): readonly [View] => {
    if (planner.device.host !== null) return [lowerByReference(node, [x], planner)[0] as View] // one output
    return [
      made(
        planner.kernel(
          kernel,
          { x: planner.dense(x) },
          { filterSize: window, strides, pad: kernelPadding(padding) },
          type,
        ),
        type,
      ),
    ]
  }

export const poolingLowering: { readonly [K in keyof PoolingOps]: Lowering<K> } = {
  maxPool2d: pool('MaxPool'),
  maxPool2dGradient: 'host',
  avgPool2d: pool('AvgPool'),
  avgPool2dGradient: 'host',
}
