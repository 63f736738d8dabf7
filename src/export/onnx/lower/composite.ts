/** Composite ops that have an ONNX operator. All others use their own decompositions. */
import type { CompositeOps, ModelOps } from '../../../ir/signatures.ts'
import type { Node } from '../../../ir/types.ts'
import { castTo, inFloat32, type LowerFunction, type Lowering, pointwise, unsupported } from '../lowering.ts'
import { axisIn, shapeIn } from '../planner.ts'
import { meanOf } from './reduction.ts'

const modelForm = unsupported('it is a model-form op; the pass to-inference replaces it')

const lowerSilu: LowerFunction<'silu'> = ({ inputs: [x], types: [type], plan }) => [
  inFloat32(x, type, plan, (wide, wideType) =>
    pointwise([wide], wideType, plan, ([name = ''], call) =>
      call('Mul', [name, call('Sigmoid', [name])], { isMain: true }),
    ),
  ),
]

const alongAxis =
  (op: 'Softmax' | 'LogSoftmax'): LowerFunction<'softmax' | 'logSoftmax'> =>
  ({ attrs: { axis }, inputs: [x], types: [type], plan }) => [
    inFloat32(x, type, plan, (wide, wideType) => {
      const layout = plan.layoutOf([wide])
      const made = { ...wideType, shape: shapeIn(type.shape, layout) }
      const attributes = { axis: axisIn(axis, layout) }
      return plan.made(wideType, plan.node(op, [plan.dense(wide, layout)], made, { attributes, isMain: true }), layout)
    }),
  ]

const lowerMean: LowerFunction<'mean'> = ({ attrs, inputs: [x], types: [type], plan }) => [
  castTo(meanOf(castTo(x, 'float32', plan), attrs, plan), type.dtype, plan),
]

/** A batch norm that does not follow a convolution. */
const lowerBatchNorm: LowerFunction<'batchNormInference'> = ({ attrs: { epsilon }, inputs, types: [type], plan }) => {
  const [x, ...statistics] = inputs
  const layout = type.shape.length === 4 ? 'first' : 'last'
  const names = statistics.map(
    (one, i) => plan.vector(one, ['scale', 'offset', 'mean', 'variance'][i] ?? 'statistics') ?? plan.dense(one),
  )
  const attributes = { epsilon: { float: epsilon } }
  const made = { ...type, shape: shapeIn(type.shape, layout) }
  const operands = [plan.dense(x, layout), ...names]
  return [plan.made(type, plan.node('BatchNormalization', operands, made, { attributes, isMain: true }), layout)]
}

/** ONNX normalizes [N,C] and [N,C,H,W], in one dtype. */
export const isKeptWhole = ({ op, types: [type] }: Node): boolean =>
  op === 'batchNormInference' && type?.dtype === 'float32' && [2, 4].includes(type.shape.length)

export const modelLowering: { readonly [K in keyof ModelOps]: Lowering<K> } = {
  batchNorm: modelForm,
  dropout: modelForm,
}

export const compositeLowering: { readonly [K in keyof CompositeOps]?: Lowering<K> } = {
  batchNormInference: lowerBatchNorm,
  silu: lowerSilu,
  softmax: alongAxis('Softmax'),
  logSoftmax: alongAxis('LogSoftmax'),
  mean: lowerMean,
}
