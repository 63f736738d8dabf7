/** Products and convolutions. Gradients are lowered to convolutions and products (convolution-gradients.ts): tfjs has only some, and slow ones. */
import type { ContractionOps, ConvAttrs } from '../../../ir/signatures.ts'
import type { LowerFunction, Lowering } from '../lowering.ts'
import type { Planner } from '../planner.ts'
import {
  lowerConvFilterGradient,
  lowerConvInputGradient,
  lowerDepthwiseInputGradient,
} from './convolution-gradients.ts'
import { convolve, kernelConvAttrs } from './convolve.ts'
import { lowerDepthwiseFilterGradient } from './depthwise-filter-gradient.ts'
import { asBatch, product } from './product.ts'
import { lowerByReference, made } from './shared.ts'

const lowerMatmul: LowerFunction<'matmul'> = ({
  attrs: { transposeA, transposeB },
  inputs: [a, b],
  types: [type],
  planner,
}) => [
  made(product(asBatch(planner.dense(a)), asBatch(planner.dense(b)), { transposeA, transposeB }, type, planner), type),
]

export const lowerConv: LowerFunction<'conv2d'> = ({ attrs, inputs: [x, kernel], types: [type], planner }) => [
  made(
    convolve(
      'Conv2D',
      planner.dense(x),
      planner.dense(kernel),
      kernelConvAttrs(x.type, kernel.type, attrs),
      type,
      planner,
    ),
    type,
  ),
]

export const lowerDepthwise: LowerFunction<'depthwiseConv2d'> = ({
  node,
  attrs,
  inputs: [x, kernel],
  types: [type],
  planner,
}) => {
  if (!canRunDepthwise(attrs, planner)) return [lowerByReference(node, [x, kernel], planner)[0] ?? x]
  const kernelAttrs = kernelConvAttrs(x.type, kernel.type, attrs)
  return [
    made(convolve('DepthwiseConv2dNative', planner.dense(x), planner.dense(kernel), kernelAttrs, type, planner), type),
  ]
}

/** tfjs-cpu does not support strides together with dilations. */
export const canRunDepthwise = (
  { strides, dilations }: Pick<ConvAttrs, 'strides' | 'dilations'>,
  planner: Planner,
): boolean =>
  planner.device.kind === 'wasm' ||
  planner.device.kind === 'webgpu' ||
  strides.every((s) => s === 1) ||
  dilations.every((d) => d === 1)

export const contractionLowering: { readonly [K in keyof ContractionOps]: Lowering<K> } = {
  matmul: lowerMatmul,
  conv2d: lowerConv,
  conv2dInputGradient: lowerConvInputGradient,
  conv2dFilterGradient: lowerConvFilterGradient,
  depthwiseConv2d: lowerDepthwise,
  depthwiseConv2dInputGradient: lowerDepthwiseInputGradient,
  depthwiseConv2dFilterGradient: lowerDepthwiseFilterGradient,
}
