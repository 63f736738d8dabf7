/** Lowers pooling ops. The channels come first. */
import { sizeAt, windowAxes } from '../../../ir/ops/window.ts'
import type { PoolingOps } from '../../../ir/signatures.ts'
import { type LowerFunction, type Lowering, unsupported } from '../lowering.ts'
import { shapeIn } from '../planner.ts'

const pool =
  (op: 'MaxPool' | 'AveragePool'): LowerFunction<'maxPool2d' | 'avgPool2d'> =>
  ({ attrs, inputs: [x], types: [type], plan }) => {
    const [h, w] = windowAxes([sizeAt(x.type.shape, 1), sizeAt(x.type.shape, 2)], attrs.window, attrs)
    const attributes = {
      kernel_shape: attrs.window,
      pads: [h.before, w.before, h.after, w.after],
      strides: attrs.strides,
      // Padding is not counted.
      ...(op === 'AveragePool' ? { count_include_pad: 0 } : {}),
    }
    const made = { ...type, shape: shapeIn(type.shape, 'first') }
    return [plan.made(type, plan.node(op, [plan.dense(x, 'first')], made, { attributes, isMain: true }), 'first')]
  }

const gradient = unsupported('gradients of pools belong to training; a file for inference has none')

export const poolingLowering: { readonly [K in keyof PoolingOps]: Lowering<K> } = {
  maxPool2d: pool('MaxPool'),
  maxPool2dGradient: gradient,
  avgPool2d: pool('AveragePool'),
  avgPool2dGradient: gradient,
}
