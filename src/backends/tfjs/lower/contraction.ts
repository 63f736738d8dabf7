/** Products and convolutions. Gradients, which tfjs has in part and slowly, are convolutions and products themselves: convolution-gradients.ts. */
import type { ContractionOps, ConvAttrs } from '../../../ir/signatures.ts'
import { sizeAt, windowAxes } from '../../../ir/ops/window.ts'
import type { Type } from '../../../ir/types.ts'
import type { LowerFunction, Lowering } from '../lowering.ts'
import type { Planner } from '../planner.ts'
import {
  lowerConvFilterGradient,
  lowerConvInputGradient,
  lowerDepthwiseInputGradient,
} from './convolution-gradients.ts'
import { lowerDepthwiseFilterGradient } from './depthwise-filter-gradient.ts'
import { asBatch, product } from './product.ts'
import { lowerByReference, made } from './shared.ts'

/**
 * Attributes as Conv2D and DepthwiseConv2dNative take them. Padding in numbers: XNNPACK, which tfjs-wasm calls, computes 'same'
 * wrongly where one side of the window is 1 and the stride along it is not.
 */
export const kernelConvAttrs = (
  x: Type,
  kernel: Type,
  attrs: Pick<ConvAttrs, 'strides' | 'padding' | 'dilations'>,
): object => {
  const [h, w] = windowAxes(
    [sizeAt(x.shape, 1), sizeAt(x.shape, 2)],
    [sizeAt(kernel.shape, 0), sizeAt(kernel.shape, 1)],
    attrs,
  )
  const pad = [
    [0, 0],
    [h.before, h.after],
    [w.before, w.after],
    [0, 0],
  ]
  return { strides: attrs.strides, pad, dilations: attrs.dilations, dataFormat: 'NHWC' }
}

const lowerMatmul: LowerFunction<'matmul'> = ({
  attrs: { transposeA, transposeB },
  inputs: [a, b],
  types: [type],
  planner,
}) => [
  made(product(asBatch(planner.dense(a)), asBatch(planner.dense(b)), { transposeA, transposeB }, type, planner), type),
]

const lowerConv: LowerFunction<'conv2d'> = ({ attrs, inputs: [x, kernel], types: [type], planner }) => [
  made(
    planner.kernel(
      'Conv2D',
      { x: planner.dense(x), filter: planner.dense(kernel) },
      kernelConvAttrs(x.type, kernel.type, attrs),
      type,
    ),
    type,
  ),
]

const lowerDepthwise: LowerFunction<'depthwiseConv2d'> = ({
  node,
  attrs,
  inputs: [x, kernel],
  types: [type],
  planner,
}) =>
  canRunDepthwise(attrs, planner)
    ? [
        made(
          planner.kernel(
            'DepthwiseConv2dNative',
            { x: planner.dense(x), filter: planner.dense(kernel) },
            kernelConvAttrs(x.type, kernel.type, attrs),
            type,
          ),
          type,
        ),
      ]
    : [lowerByReference(node, [x, kernel], planner)[0] ?? x]

/** tfjs-cpu refuses strides and dilations together. */
export const canRunDepthwise = (
  { strides, dilations }: Pick<ConvAttrs, 'strides' | 'dilations'>,
  planner: Planner,
): boolean => planner.device.kind === 'wasm' || strides.every((s) => s === 1) || dilations.every((d) => d === 1)

export const contractionLowering: { readonly [K in keyof ContractionOps]: Lowering<K> } = {
  matmul: lowerMatmul,
  conv2d: lowerConv,
  conv2dInputGradient: lowerConvInputGradient,
  conv2dFilterGradient: lowerConvFilterGradient,
  depthwiseConv2d: lowerDepthwise,
  depthwiseConv2dInputGradient: lowerDepthwiseInputGradient,
  depthwiseConv2dFilterGradient: lowerDepthwiseFilterGradient,
}
