/** Composites for which TensorFlow has a kernel, or which it fuses in a certain form. The others are decomposed. */
import type { CompositeOps } from '../../../ir/signatures.ts'
import { attr } from '../attributes.ts'
import { elements } from '../../../ir/types.ts'
import type { FunctionBuilder } from '../function-builder.ts'
import type { LowerFunction } from '../lowering.ts'
import type { TfType, TfValue } from '../types.ts'
import { transposed } from './movement.ts'

/**
 * TensorFlow recognises a product of a value and its sigmoid as oneDNN's swish, which it also fuses with a convolution. It does not look through
 * PlaceholderWithDefault, which returns its operand without a copy and stays in the graph; an Identity would be removed. Before both operands of the
 * product it separates the swish from the convolution; before one, it also separates the product from the sigmoid.
 */
const lowerSilu: LowerFunction<'silu'> = ({ inputs: [x], types: [{ dtype, shape }], f, scope }) => {
  const wide = { dtype: 'float32', shape } as const
  const value = f.cast(x, 'float32')
  const form = scope.swishForm()
  const factor =
    form === 'withConvolution' ? value : f.op('PlaceholderWithDefault', [value], { shape: attr.shape(shape) }, wide)
  const sigmoid = f.op('Sigmoid', [form === 'alone' ? factor : value], {}, wide)
  return [f.cast(f.op('Mul', [factor, sigmoid], {}, wide), dtype)]
}

/**
 * dy * (s + x * s * (1 - s)) with s = sigmoid(x). SigmoidGrad computes x * s * (1 - s) in one kernel. TensorFlow merges the sigmoid with that of the
 * forward pass.
 */
const lowerSiluGradient: LowerFunction<'siluGradient'> = ({ inputs: [x, dy], types: [{ dtype, shape }], f }) => {
  const wide = { dtype: 'float32', shape } as const
  const [value, g] = [f.cast(x, 'float32'), f.cast(dy, 'float32')]
  const s = f.op('Sigmoid', [value], {}, wide)
  const slope = f.op('AddV2', [s, f.op('SigmoidGrad', [s, value], {}, wide)], {}, wide)
  return [f.cast(f.op('Mul', [g, slope], {}, wide), dtype)]
}

const lowerMean: LowerFunction<'mean'> = ({ inputs: [x], attrs: { axes, keepDims }, types: [{ dtype, shape }], f }) => [
  f.cast(
    f.op('Mean', [f.cast(x, 'float32'), f.ints(axes)], { keep_dims: attr.bool(keepDims) }, { dtype: 'float32', shape }),
    dtype,
  ),
]

const gradientAttrs = (epsilon: number) => ({
  epsilon: attr.float(epsilon),
  data_format: attr.string('NHWC'),
  is_training: attr.bool(true),
})

const batchNormAttrs = (epsilon: number) => ({
  ...gradientAttrs(epsilon),
  exponential_avg_factor: attr.float(1),
})

/** Reshapes to an image [N,1,1,C], because TensorFlow's batch norm takes images only. */
const asImage = (x: TfValue, f: FunctionBuilder): TfValue => {
  if (x.shape.length === 4) return x
  const channels = x.shape.at(-1) as number
  return f.reshape(x, [rowsOf(x.shape), 1, 1, channels])
}

const lowerBatchNormTraining: LowerFunction<'batchNormTraining'> = ({
  inputs: [x, scale, offset],
  attrs: { epsilon },
  types: [type, vector],
  f,
  scope,
}) => {
  const image = asImage(x, f)
  const empty = f.constant('float32', [0], [])
  const [y, mean, bessel, ...reserve] = f.ops(
    'FusedBatchNormV3',
    [image, scale, offset, empty, empty],
    batchNormAttrs(epsilon),
    [{ dtype: type.dtype, shape: image.shape }, vector, vector, vector, vector, { dtype: 'float32', shape: [] }],
  ) as readonly [TfValue, TfValue, TfValue, TfValue, TfValue, TfValue] // six types
  scope.batchNorms.set(mean.ref, { x, epsilon, reserve })
  // TensorFlow returns the variance with Bessel's correction.
  const rows = rowsOf(x.shape)
  const variance = f.op('Mul', [bessel, f.scalar('float32', (rows - 1) / rows)], {}, vector)
  const raised = f.op('AddV2', [variance, f.scalar('float32', epsilon)], {}, vector)
  return [f.reshape(y, type.shape), mean, variance, f.op('Rsqrt', [raised], {}, vector)]
}

const rowsOf = (shape: readonly number[]): number => elements(shape.slice(0, -1))

const lowerBatchNormGradient: LowerFunction<'batchNormGradient'> = (args) => {
  const {
    inputs: [x, scale, mean, , dy],
    types,
    f,
    scope,
  } = args
  const kept = scope.batchNorms.get(mean.ref)
  if (kept === undefined || kept.x.ref !== x.ref) return gradientByFormula(args)
  const [image, dyImage] = [asImage(x, f), asImage(dy, f)]
  const [dx, dscale, doffset] = f.ops(
    'FusedBatchNormGradV3',
    [dyImage, image, scale, ...kept.reserve],
    gradientAttrs(kept.epsilon),
    [{ dtype: x.dtype, shape: image.shape }, types[1], types[2]],
  ) as readonly [TfValue, TfValue, TfValue] // three types
  return [f.reshape(dx, types[0].shape), dscale, doffset]
}

/** The formula of the op's own decomposition, for statistics that do not come from a FusedBatchNormV3 node. */
const gradientByFormula: LowerFunction<'batchNormGradient'> = ({
  inputs: [x, scale, mean, inverse, dy],
  types: [type, vector],
  f,
}) => {
  const wide = { dtype: 'float32', shape: type.shape } as const
  const axes = f.ints(type.shape.slice(0, -1).map((_, axis) => axis))
  const sum = (value: TfValue): TfValue => f.op('Sum', [value, axes], { keep_dims: attr.bool(false) }, vector)
  const mul = (a: TfValue, b: TfValue, to: TfType): TfValue => f.op('Mul', [a, b], {}, to)
  const perRow = f.scalar('float32', 1 / rowsOf(type.shape))
  const g = f.cast(dy, 'float32')
  const centred = f.op('Sub', [f.cast(x, 'float32'), mean], {}, wide)
  const doffset = sum(g)
  const dscale = mul(sum(mul(g, centred, wide)), inverse, vector)
  const slope = mul(mul(dscale, inverse, vector), perRow, vector)
  const level = f.op('Sub', [g, mul(doffset, perRow, vector)], {}, wide)
  const inner = f.op('Sub', [level, mul(centred, slope, wide)], {}, wide)
  return [f.cast(mul(inner, mul(scale, inverse, vector), wide), type.dtype), dscale, doffset]
}

const lowerSoftmax =
  (name: 'Softmax' | 'LogSoftmax'): LowerFunction<'softmax' | 'logSoftmax'> =>
  ({ inputs: [x], attrs: { axis }, types: [{ dtype, shape }], f }) => {
    // TensorFlow's kernels work along the last axis.
    const order = shape.map((_, i) => i).filter((i) => i !== axis)
    const [there, back] = [
      [...order, axis],
      shape.map((_, i) => (i === axis ? shape.length - 1 : i < axis ? i : i - 1)),
    ]
    const lines = transposed(f.cast(x, 'float32'), there, f)
    const plain = f.op(name, [lines], {}, lines)
    return [f.cast(transposed(name === 'Softmax' ? withNan(plain, lines, f) : plain, back, f), dtype)]
  }

/**
 * Makes the whole line NaN if it has NaN or +infinity, where TensorFlow's softmax makes only that element NaN. It adds max - max of the line, which is 0
 * or NaN.
 */
const withNan = (y: TfValue, lines: TfValue, f: FunctionBuilder): TfValue => {
  const shape = lines.shape.map((size, axis) => (axis === lines.shape.length - 1 ? 1 : size))
  const column: TfType = { dtype: 'float32', shape }
  const largest = f.op('Max', [lines, f.ints([shape.length - 1])], { keep_dims: attr.bool(true) }, column)
  return f.op('AddV2', [y, f.op('Sub', [largest, largest], {}, column)], {}, lines)
}

export const compositeLowering: { readonly [K in keyof CompositeOps]?: LowerFunction<K> } = {
  batchNormTraining: lowerBatchNormTraining,
  batchNormGradient: lowerBatchNormGradient,
  silu: lowerSilu,
  siluGradient: lowerSiluGradient,
  softmax: lowerSoftmax('Softmax'),
  logSoftmax: lowerSoftmax('LogSoftmax'),
  mean: lowerMean,
}
