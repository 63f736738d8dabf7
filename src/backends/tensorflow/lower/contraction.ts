/**
 * Products and convolutions. Cases without a kernel in TensorFlow (dilated gradients, unequal strides, odd padding) are converted to cases that have
 * one.
 */
import { elements, isHalf } from '../../../ir/types.ts'
import type { ContractionOps, ConvAttrs } from '../../../ir/signatures.ts'
import { windowAxes } from '../../../ir/ops/window.ts'
import { attr } from '../attributes.ts'
import type { Attrs, FunctionBuilder } from '../function-builder.ts'
import type { ContractionOp } from '../half-kernels.ts'
import type { LowerFunction, Scope } from '../lowering.ts'
import type { TfType, TfValue } from '../types.ts'
import { ofMatrix } from './matrices.ts'
import { convolvedByTaps, filterGradientByTaps, framed, type Geometry, inputGradientByTaps } from './taps.ts'

type Compute = (operands: readonly [TfValue, TfValue], type: TfType) => TfValue

/**
 * Computes a contraction whose sums are in float32. Half operands are widened first, unless the kernel sums them in float32. `name`: null if it is not a
 * single kernel.
 */
const contracted = (
  name: ContractionOp | null,
  operands: readonly [TfValue, TfValue],
  type: TfType,
  { f, scope }: { readonly f: FunctionBuilder; readonly scope: Scope },
  compute: Compute,
): TfValue => {
  const { dtype, shape } = type
  const [a, b] = operands
  const isOfOneType = a.dtype === dtype && b.dtype === dtype
  if (name !== null && isOfOneType && isHalf(dtype) && scope.halfKernels.has(`${name} ${dtype}`))
    return compute(operands, type)
  return f.cast(compute([f.cast(a, 'float32'), f.cast(b, 'float32')], { dtype: 'float32', shape }), dtype)
}

/** Notes the result of a contraction, so that a bias added to it can be fused. */
const noted = (value: TfValue, scope: Scope): TfValue => {
  scope.contractions.add(value.ref)
  return value
}

const lowerMatmul: LowerFunction<'matmul'> = ({
  inputs,
  attrs: { transposeA, transposeB },
  types: [type],
  f,
  scope,
}) => {
  const [name, attrs]: readonly [ContractionOp, Attrs] =
    type.shape.length === 2
      ? ['MatMul', { transpose_a: attr.bool(transposeA), transpose_b: attr.bool(transposeB) }]
      : ['BatchMatMulV2', { adj_x: attr.bool(transposeA), adj_y: attr.bool(transposeB) }]
  const product = contracted(name, inputs, type, { f, scope }, (operands, result) =>
    f.op(name, operands, attrs, result),
  )
  return [noted(product, scope)]
}

const geometry = (image: readonly number[], kernel: readonly number[], attrs: ConvAttrs): Geometry =>
  windowAxes([image[1] as number, image[2] as number], [kernel[0] as number, kernel[1] as number], attrs)

/** Strides, padding and dilations as attributes of TensorFlow. */
const convAttrs = ([h, w]: Geometry) => {
  const isPlain = h.before === 0 && h.after === 0 && w.before === 0 && w.after === 0
  const isSame = [h, w].every(({ input, output, stride, window, dilation, before, after }) => {
    const total = Math.max((Math.ceil(input / stride) - 1) * stride + (window - 1) * dilation + 1 - input, 0)
    return output === Math.ceil(input / stride) && before === Math.floor(total / 2) && before + after === total
  })
  return {
    strides: attr.ints([1, h.stride, w.stride, 1]),
    dilations: attr.ints([1, h.dilation, w.dilation, 1]),
    padding: attr.string(isPlain ? 'VALID' : isSame ? 'SAME' : 'EXPLICIT'),
    explicit_paddings: attr.ints(isPlain || isSame ? [] : [0, 0, h.before, h.after, w.before, w.after, 0, 0]),
    data_format: attr.string('NHWC'),
  }
}

const denseAttrs = (axes: Geometry) => ({ ...convAttrs(axes), use_cudnn_on_gpu: attr.bool(true) })

const lowerConv: LowerFunction<'conv2d' | 'depthwiseConv2d'> = ({
  inputs: [x, kernel],
  attrs,
  types: [type],
  f,
  scope,
}) => {
  const { image, axes } = safelyPadded(x, geometry(x.shape, kernel.shape, attrs), f)
  if (isProduct(image, axes, scope)) return [pointwiseProduct(image, kernel, type, f, scope)]
  return [
    noted(
      contracted('Conv2D', [image, kernel], type, { f, scope }, (operands, result) =>
        f.op('Conv2D', operands, denseAttrs(axes), result),
      ),
      scope,
    ),
  ]
}

/** Is the convolution lowered to a product of matrices? */
const isProduct = ({ shape }: TfValue, axes: Geometry, { forms: { products } }: Scope): boolean => {
  const [images, height, width] = shape as readonly [number, number, number, number] // [N, H, W, C]
  if (axes.some(({ window, stride }) => window !== 1 || stride !== 1)) return false
  return images < products.imagesBelow || (products.singlePixels && height * width === 1)
}

/** The convolution of [N, H, W, C] with [1, 1, C, O] as the product of [N * H * W, C] and [C, O]. */
const pointwiseProduct = (image: TfValue, kernel: TfValue, type: TfType, f: FunctionBuilder, scope: Scope): TfValue => {
  const [channels, outputs] = kernel.shape.slice(2) as [number, number] // [1, 1, C, O]
  const rows = elements(image.shape) / channels
  const operands = [f.reshape(image, [rows, channels]), f.reshape(kernel, [channels, outputs])]
  const attrs = { transpose_a: attr.bool(false), transpose_b: attr.bool(false) }
  const product = f.op('MatMul', operands, attrs, { dtype: type.dtype, shape: [rows, outputs] })
  return noted(ofMatrix(product, type, f, scope), scope)
}

/**
 * Pads the image before a convolution with a kernel of 1 x 1. If TensorFlow fuses such a convolution with a bias and an activation, it computes a product
 * of matrices, ignores the padding and reads beyond the image, which may crash the process.
 */
const safelyPadded = (
  x: TfValue,
  axes: Geometry,
  f: FunctionBuilder,
): { readonly image: TfValue; readonly axes: Geometry } => {
  const [h, w] = axes
  const isPadded = h.before + h.after + w.before + w.after > 0
  if (h.window * w.window !== 1 || !isPadded) return { image: x, axes }
  const plain = (axis: Geometry[0]): Geometry[0] => ({
    ...axis,
    input: axis.input + axis.before + axis.after,
    before: 0,
    after: 0,
  })
  return { image: framed(x, axes, f), axes: [plain(h), plain(w)] }
}

/** The depthwise kernel [H, W, C, 1] as the kernel [H, W, 1, C] of a convolution with C groups. */
const grouped = (kernel: TfValue, f: FunctionBuilder): TfValue => {
  const [height, width, channels] = kernel.shape as [number, number, number]
  return f.reshape(kernel, [height, width, 1, channels])
}

const lowerDepthwise: LowerFunction<'depthwiseConv2d'> = ({ inputs: [x, kernel], attrs, types: [type], f, scope }) => {
  const axes = geometry(x.shape, kernel.shape, attrs)
  const name = hasDepthwiseKernel(axes) ? 'DepthwiseConv2dNative' : null
  const product = contracted(name, [x, kernel], type, { f, scope }, ([image, taps], result) =>
    name === null
      ? convolvedByTaps(image, taps, result, { isDepthwise: true, axes, f })
      : scope.forms.groupsDepthwise
        ? f.op('Conv2D', [image, grouped(taps, f)], denseAttrs(axes), result)
        : f.op(name, [image, taps], convAttrs(axes), result),
  )
  return [noted(product, scope)]
}

/**
 * A depthwise convolution of one channel is an ordinary convolution, and must be lowered as one. oneDNN caches compiled kernels by their sizes. There the
 * depthwise kernel [1, 1, 1, 1, 1] and a kernel [1, 1, 1, 1] with a bias [1] have the same key, so the second one that is called would fail.
 */
const unlessOneChannel =
  <K extends ContractionOpName>(dense: LowerFunction<K>, depthwise: LowerFunction<K>): LowerFunction<K> =>
  (args) =>
    (args.inputs[0] as TfValue).shape[3] === 1 ? dense(args) : depthwise(args) // x or dy, [N, H, W, C]

type ContractionOpName = keyof ContractionOps

const isDilated = (axes: Geometry): boolean => axes.some(({ dilation }) => dilation > 1)

/** TensorFlow's depthwise kernels need equal strides, and no dilation. */
const hasDepthwiseKernel = (axes: Geometry): boolean => !isDilated(axes) && axes[0].stride === axes[1].stride

/** On CPUs TensorFlow has no gradients of dilated convolutions. */
const hasGradientKernel = (isDepthwise: boolean, axes: Geometry): boolean =>
  isDepthwise ? hasDepthwiseKernel(axes) : !isDilated(axes)

const lowerInputGradient =
  (isDepthwise: boolean): LowerFunction<'conv2dInputGradient' | 'depthwiseConv2dInputGradient'> =>
  ({ inputs, attrs, types: [type], f, scope }) => {
    const axes = geometry(attrs.inputShape, inputs[1].shape, attrs)
    const kernelName = isDepthwise ? 'DepthwiseConv2dNativeBackpropInput' : 'Conv2DBackpropInput'
    const name = hasGradientKernel(isDepthwise, axes) ? kernelName : null
    return [
      contracted(name, inputs, type, { f, scope }, ([dy, kernel], result) =>
        name === null
          ? inputGradientByTaps(dy, kernel, result, { isDepthwise, axes, f })
          : f.op(name, [f.ints(result.shape), kernel, dy], convAttrs(axes), result),
      ),
    ]
  }

const lowerFilterGradient =
  (isDepthwise: boolean): LowerFunction<'conv2dFilterGradient' | 'depthwiseConv2dFilterGradient'> =>
  ({ inputs, attrs, types: [type], f, scope }) => {
    const axes = geometry(inputs[0].shape, attrs.filterShape, attrs)
    const kernelName = isDepthwise ? 'DepthwiseConv2dNativeBackpropFilter' : 'Conv2DBackpropFilter'
    const name = hasGradientKernel(isDepthwise, axes) ? kernelName : null
    return [
      contracted(name, inputs, type, { f, scope }, ([x, dy], result) =>
        name === null
          ? filterGradientByTaps(x, dy, result, { isDepthwise, axes, f })
          : f.op(name, [x, f.ints(result.shape), dy], convAttrs(axes), result),
      ),
    ]
  }

export const contractionLowering: { readonly [K in keyof ContractionOps]: LowerFunction<K> } = {
  matmul: lowerMatmul,
  conv2d: lowerConv,
  conv2dInputGradient: lowerInputGradient(false),
  conv2dFilterGradient: lowerFilterGradient(false),
  depthwiseConv2d: unlessOneChannel(lowerConv, lowerDepthwise),
  depthwiseConv2dInputGradient: unlessOneChannel(lowerInputGradient(false), lowerInputGradient(true)),
  depthwiseConv2dFilterGradient: unlessOneChannel(lowerFilterGradient(false), lowerFilterGradient(true)),
}
