/** Lowers convolutions and matrix products. They are emitted later, so that they can take a bias that follows (elementwise.ts, lowerAdd). */
import { sizeAt, windowAxes } from '../../../ir/ops/window.ts'
import type { ContractionOps, ConvAttrs } from '../../../ir/signatures.ts'
import type { Type } from '../../../ir/types.ts'
import { castTo, type LowerFunction, type Lowering, unsupported } from '../lowering.ts'
import { type Held, type Layout, type Planner, shapeIn } from '../planner.ts'

/** Permutations of the kernel: [KH,KW,C,F] to ONNX's [F,C,KH,KW]; for depthwise convolutions [KH,KW,C,1] to [C,1,KH,KW]. */
const kernelPermutation = { conv2d: [3, 2, 0, 1], depthwiseConv2d: [2, 3, 0, 1] } as const

const waiting = (type: Type, layout: Layout, plan: Planner, emit: (bias: readonly string[]) => string): Held => {
  const { path } = plan.writer
  const pending = (bias: Held | null): string =>
    plan.at(path, () => emit(bias === null ? [] : [plan.vector(bias, 'bias') ?? '']))
  return { type, shape: type.shape, known: null, names: {}, pending, pendingLayout: layout }
}

/** The operand cast to the result's dtype, so that sums are computed in it. */
const widened = (x: Held, { resultDtype }: Pick<ConvAttrs, 'resultDtype'>, plan: Planner): Held =>
  resultDtype === null ? x : castTo(x, resultDtype, plan)

const lowerConv: LowerFunction<'conv2d' | 'depthwiseConv2d'> = ({
  node: { op },
  attrs,
  inputs: [x, kernel],
  types: [type],
  plan,
}) => {
  const spatial = (shape: readonly number[], from: number) => [sizeAt(shape, from), sizeAt(shape, from + 1)] as const
  const [h, w] = windowAxes(spatial(x.type.shape, 1), spatial(kernel.type.shape, 0), attrs)
  const image = plan.dense(widened(x, attrs, plan), 'first')
  const filter = plan.permuted(widened(kernel, attrs, plan), kernelPermutation[op], 'kernel')
  const attributes = {
    dilations: attrs.dilations,
    group: op === 'conv2d' ? 1 : sizeAt(x.type.shape, 3),
    kernel_shape: [h.window, w.window],
    pads: [h.before, w.before, h.after, w.after],
    strides: attrs.strides,
  }
  const made = { ...type, shape: shapeIn(type.shape, 'first') }
  return [
    waiting(type, 'first', plan, (bias) =>
      plan.node('Conv', [image, filter, ...bias], made, { attributes, isMain: true }),
    ),
  ]
}

const lowerMatmul: LowerFunction<'matmul'> = ({ attrs, inputs: [left, right], types: [type], plan }) => {
  const { transposeA, transposeB } = attrs
  const [a, b] = [widened(left, attrs, plan), widened(right, attrs, plan)]
  if (type.shape.length === 2) {
    const operands = [plan.dense(a), plan.dense(b)]
    const attributes = { transA: transposeA ? 1 : 0, transB: transposeB ? 1 : 0 }
    return [
      waiting(type, 'last', plan, (bias) =>
        plan.node('Gemm', [...operands, ...bias], type, { attributes, isMain: true }),
      ),
    ]
  }
  const operands = [matrix(a, transposeA, plan), matrix(b, transposeB, plan)]
  return [plan.made(type, plan.node('MatMul', operands, type, { isMain: true }))]
}

const matrix = (x: Held, isTransposed: boolean, plan: Planner): string => {
  if (!isTransposed) return plan.dense(x)
  const axes = x.type.shape.map((_, axis) => axis)
  return plan.permuted(x, [...axes.slice(0, -2), axes.length - 1, axes.length - 2], 'matrix')
}

const gradient = unsupported('gradients of convolutions belong to training; a file for inference has none')

export const contractionLowering: { readonly [K in keyof ContractionOps]: Lowering<K> } = {
  matmul: lowerMatmul,
  conv2d: lowerConv,
  conv2dInputGradient: gradient,
  conv2dFilterGradient: gradient,
  depthwiseConv2d: lowerConv,
  depthwiseConv2dInputGradient: gradient,
  depthwiseConv2dFilterGradient: gradient,
}
