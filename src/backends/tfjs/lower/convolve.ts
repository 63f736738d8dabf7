/** tfjs's convolution kernels, for convolutions and for gradients that are convolutions. */
import type { ConvAttrs } from '../../../ir/signatures.ts'
import { sizeAt, windowAxes } from '../../../ir/ops/window.ts'
import { elements, type Type } from '../../../ir/types.ts'
import type { Operand } from '../plan-types.ts'
import type { Planner } from '../planner.ts'
import { withLongRows } from './long-rows.ts'
import { fitsDispatch, largeConvolution } from '../webgpu/large.ts'
import { productProgram, webgpuProduct } from '../webgpu/product.ts'
import { as } from './shared.ts'

type Shaped = Pick<Type, 'shape'>

export interface KernelConvAttrs {
  readonly strides: readonly [number, number]
  readonly pad: readonly (readonly [number, number])[]
  readonly dilations: readonly [number, number]
  readonly dataFormat: 'NHWC'
}

const noPad = [0, 0] as const

/**
 * Attributes for Conv2D and DepthwiseConv2dNative. Padding is given as numbers, because XNNPACK, which tfjs-wasm calls, computes 'same' wrongly if
 * one side of the window is 1 and the stride along it is not.
 */
export const kernelConvAttrs = (
  x: Shaped,
  kernel: Shaped,
  attrs: Pick<ConvAttrs, 'strides' | 'padding' | 'dilations'>,
): KernelConvAttrs => {
  const [h, w] = windowAxes(
    [sizeAt(x.shape, 1), sizeAt(x.shape, 2)],
    [sizeAt(kernel.shape, 0), sizeAt(kernel.shape, 1)],
    attrs,
  )
  const pad = [noPad, [h.before, h.after], [w.before, w.after], noPad] as const
  return { strides: attrs.strides, pad, dilations: attrs.dilations, dataFormat: 'NHWC' }
}

export type ConvKernel = 'Conv2D' | 'DepthwiseConv2dNative'

/** The convolution of x [N,H,W,C] with a filter [KH,KW,C,F], or [KH,KW,C,1] channel by channel. */
export const convolve = (
  kernel: ConvKernel,
  x: Operand,
  filter: Operand,
  attrs: KernelConvAttrs,
  type: Type,
  planner: Planner,
): number => {
  const { kind } = planner.device
  if (kind === 'wasm' && isScaling(kernel, filter, attrs)) return scaled(x, filter, type, planner)
  if (kind === 'webgpu' && isProduct(kernel, filter, attrs)) {
    const [rows, columns] = asProduct(x, filter)
    return webgpuProduct(rows, columns, { transposeA: false, transposeB: false }, type, planner)
  }
  if (kind === 'webgpu' && kernel === 'Conv2D' && !fitsDispatch(...productSizes(type)))
    return largeConvolution(x, filter, attrs, type, planner)
  return planner.kernel(kernel, { x, filter }, attrs, type, convolutionProgram(kernel, type, planner))
}

/** tfjs's WebGPU computes convolutions as products [N, H * W, F]. The program of small ones is selected as for products. */
export const convolutionProgram = (kernel: ConvKernel, type: Shaped, planner: Planner): number | undefined =>
  planner.device.kind === 'webgpu' && kernel === 'Conv2D' ? productProgram(...productSizes(type)) : undefined

/** Batch, rows and columns. */
export const productSizes = ({ shape }: Shaped): readonly [number, number, number] => {
  const [samples = 1, height = 1, width = 1, filters = 1] = shape
  return [samples, height * width, filters]
}

/** Is it a 1x1 convolution that reads each pixel once, and so a product of pixels and filters? */
export const isProduct = (kernel: ConvKernel, filter: Shaped, { strides, pad }: KernelConvAttrs): boolean =>
  kernel === 'Conv2D' &&
  filter.shape[0] === 1 &&
  filter.shape[1] === 1 &&
  strides.every((stride) => stride === 1) &&
  pad.flat().every((size) => size === 0)

export const asProduct = (x: Operand, filter: Operand): readonly [Operand, Operand] => {
  const [, , channels = 1, filters = 1] = filter.shape
  return [as(x, [1, elements(x.shape) / channels, channels]), as(filter, [1, channels, filters])]
}

/** Does it multiply each channel by one number? XNNPACK's special kernel for this turns NaN into -infinity. */
export const isScaling = (kernel: ConvKernel, filter: Shaped, { strides, pad }: KernelConvAttrs): boolean => {
  const [height, width, channels, filters] = filter.shape
  return (
    height === 1 &&
    width === 1 &&
    strides.every((stride) => stride === 1) &&
    pad.flat().every((size) => size === 0) &&
    (kernel === 'DepthwiseConv2dNative' || (channels === 1 && filters === 1))
  )
}

const scaled = (x: Operand, filter: Operand, type: Type, planner: Planner): number => {
  const channels = elements(filter.shape)
  const [a, b] = withLongRows([as(x, [elements(x.shape) / channels, channels]), as(filter, [channels])], planner)
  return planner.kernel('Multiply', { a, b }, {}, type)
}
