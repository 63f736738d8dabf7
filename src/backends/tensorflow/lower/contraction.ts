/** Products and convolutions. What TensorFlow's kernels do not take (dilated gradients, unequal strides, odd padding) is brought into their form. */
import type { ContractionOps, ConvAttrs } from '../../../ir/signatures.ts'
import { windowAxes } from '../../../ir/ops/window.ts'
import { attr } from '../attributes.ts'
import type { FunctionBuilder } from '../function-builder.ts'
import type { LowerFunction, Lowering, Scope } from '../lowering.ts'
import type { TfType, TfValue } from '../types.ts'
import { convolvedByTaps, filterGradientByTaps, type Geometry, inputGradientByTaps } from './taps.ts'

/** Sums are taken in float32; half types are widened first. */
const inFloat32 = (
  [a, b]: readonly [TfValue, TfValue],
  { dtype, shape }: TfType,
  f: FunctionBuilder,
  compute: (operands: readonly [TfValue, TfValue], type: TfType) => TfValue,
): TfValue => f.cast(compute([f.cast(a, 'float32'), f.cast(b, 'float32')], { dtype: 'float32', shape }), dtype)

/** A bias added to it can be fused with it. */
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
  const product = inFloat32(inputs, type, f, (operands, wide) =>
    wide.shape.length === 2
      ? f.op('MatMul', operands, { transpose_a: attr.bool(transposeA), transpose_b: attr.bool(transposeB) }, wide)
      : f.op('BatchMatMulV2', operands, { adj_x: attr.bool(transposeA), adj_y: attr.bool(transposeB) }, wide),
  )
  return [noted(product, scope)]
}

const geometry = (image: readonly number[], kernel: readonly number[], attrs: ConvAttrs): Geometry =>
  windowAxes([image[1] as number, image[2] as number], [kernel[0] as number, kernel[1] as number], attrs)

/** strides, padding and dilations as TensorFlow's attributes. */
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

const lowerConv: LowerFunction<'conv2d'> = ({ inputs: [x, kernel], attrs, types: [type], f, scope }) => [
  noted(
    inFloat32([x, kernel], type, f, (operands, wide) =>
      f.op(
        'Conv2D',
        operands,
        { ...convAttrs(geometry(x.shape, kernel.shape, attrs)), use_cudnn_on_gpu: attr.bool(true) },
        wide,
      ),
    ),
    scope,
  ),
]

const lowerDepthwise: LowerFunction<'depthwiseConv2d'> = ({ inputs: [x, kernel], attrs, types: [type], f, scope }) => {
  const axes = geometry(x.shape, kernel.shape, attrs)
  return [
    noted(
      inFloat32([x, kernel], type, f, ([image, taps], wide) =>
        hasDepthwiseKernel(axes)
          ? f.op('DepthwiseConv2dNative', [image, taps], convAttrs(axes), wide)
          : convolvedByTaps(image, taps, wide, { isDepthwise: true, axes, f }),
      ),
      scope,
    ),
  ]
}

const isDilated = (axes: Geometry): boolean => axes.some(({ dilation }) => dilation > 1)

/** TensorFlow's depthwise kernels have one stride for both axes and no dilation. */
const hasDepthwiseKernel = (axes: Geometry): boolean => !isDilated(axes) && axes[0].stride === axes[1].stride

/** TensorFlow's gradients of convolutions have no dilation on CPUs. */
const hasGradientKernel = (isDepthwise: boolean, axes: Geometry): boolean =>
  isDepthwise ? hasDepthwiseKernel(axes) : !isDilated(axes)

const lowerInputGradient =
  (isDepthwise: boolean): LowerFunction<'conv2dInputGradient' | 'depthwiseConv2dInputGradient'> =>
  ({ inputs, attrs, types: [type], f }) => {
    const axes = geometry(attrs.inputShape, inputs[1].shape, attrs)
    const name = isDepthwise ? 'DepthwiseConv2dNativeBackpropInput' : 'Conv2DBackpropInput'
    return [
      inFloat32(inputs, type, f, ([dy, kernel], wide) =>
        hasGradientKernel(isDepthwise, axes)
          ? f.op(name, [f.ints(wide.shape), kernel, dy], convAttrs(axes), wide)
          : inputGradientByTaps(dy, kernel, wide, { isDepthwise, axes, f }),
      ),
    ]
  }

const lowerFilterGradient =
  (isDepthwise: boolean): LowerFunction<'conv2dFilterGradient' | 'depthwiseConv2dFilterGradient'> =>
  ({ inputs, attrs, types: [type], f }) => {
    const axes = geometry(inputs[0].shape, attrs.filterShape, attrs)
    const name = isDepthwise ? 'DepthwiseConv2dNativeBackpropFilter' : 'Conv2DBackpropFilter'
    return [
      inFloat32(inputs, type, f, ([x, dy], wide) =>
        hasGradientKernel(isDepthwise, axes)
          ? f.op(name, [x, f.ints(wide.shape), dy], convAttrs(axes), wide)
          : filterGradientByTaps(x, dy, wide, { isDepthwise, axes, f }),
      ),
    ]
  }

export const contractionLowering: { readonly [K in keyof ContractionOps]: Lowering<K> } = {
  matmul: lowerMatmul,
  conv2d: lowerConv,
  conv2dInputGradient: lowerInputGradient(false),
  conv2dFilterGradient: lowerFilterGradient(false),
  depthwiseConv2d: lowerDepthwise,
  depthwiseConv2dInputGradient: lowerInputGradient(true),
  depthwiseConv2dFilterGradient: lowerFilterGradient(true),
}
