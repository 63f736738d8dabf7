/** Lowers reductions. */
import { reducedShape } from '../../../ir/ops/shape.ts'
import type { ReduceAttrs, ReductionOps, WideReduceAttrs } from '../../../ir/signatures.ts'
import { isFloat, sameShape, type Type } from '../../../ir/types.ts'
import { castTo, elementTypes, type LowerFunction, type Lowering } from '../lowering.ts'
import { axisIn, type Held, type Layout, type Planner, shapeIn } from '../planner.ts'

/** The layout to reduce in. Channels first is possible only if the remaining axes keep their order. */
const layoutFor = (x: Held, { axes, keepDims }: ReduceAttrs, plan: Planner): Layout => {
  const layout = plan.layoutOf([x])
  const kept = [0, 1, 2, 3].filter((axis) => !axes.includes(axis))
  const places = kept.map((axis) => axisIn(axis, layout))
  return keepDims || places.every((place, i) => i === 0 || place > (places[i - 1] ?? 0)) ? layout : 'last'
}

/** x reduced over the axes by an ONNX operator, in the dtype of x. */
export const reduced = (op: string, x: Held, attrs: ReduceAttrs, plan: Planner): Held => {
  const { axes, keepDims } = attrs
  const type: Type = { dtype: x.type.dtype, shape: reducedShape(x.type.shape, axes, keepDims) }
  // In ONNX an empty list of axes means all axes.
  if (axes.length === 0) return x
  const layout = layoutFor(x, attrs, plan)
  const name = plan.dense(x, layout)
  const resultLayout = keepDims ? layout : 'last'
  const shape = shapeIn(type.shape, resultLayout)
  const operands = [name, plan.writer.int64s(axes.map((axis) => axisIn(axis, layout)))]
  const made = plan.node(op, operands, { ...type, shape }, { attributes: { keepdims: keepDims ? 1 : 0 }, isMain: true })
  return plan.made(type, made, resultLayout)
}

/** A mean over the pixels of an image is computed with channels first: runtimes have a fast operator for it. */
export const meanOf = (x: Held, { axes, keepDims }: ReduceAttrs, plan: Planner): Held => {
  const layout = plan.layoutOf([x])
  if (layout === 'last' || !sameShape(axes, [1, 2])) return reduced('ReduceMean', x, { axes, keepDims }, plan)
  const kept: Type = { dtype: x.type.dtype, shape: reducedShape(x.type.shape, axes, true) }
  const pooled = plan.node(
    'GlobalAveragePool',
    [plan.dense(x, layout)],
    { ...kept, shape: shapeIn(kept.shape, layout) },
    { isMain: true },
  )
  if (keepDims) return plan.made(kept, pooled, layout)
  const type: Type = { dtype: x.type.dtype, shape: reducedShape(x.type.shape, axes, false) }
  return plan.made(type, plan.writer.reshape(pooled, type.shape))
}

const reduce =
  (op: string): LowerFunction<'reduceMax' | 'reduceMin' | 'reduceProd'> =>
  ({ attrs, inputs: [x], plan }) => [reduced(op, x, attrs, plan)]

const wide = (x: Held, { resultDtype }: WideReduceAttrs, plan: Planner): Held =>
  // Half types are also summed in float32.
  isFloat(x.type.dtype) || resultDtype !== null ? castTo(x, 'float32', plan) : x

const lowerSum: LowerFunction<'reduceSum'> = ({ attrs, inputs: [x], types: [type], plan }) => [
  castTo(reduced('ReduceSum', wide(x, attrs, plan), attrs, plan), type.dtype, plan),
]

/** ONNX reduces only numbers. */
const logical =
  (op: string): LowerFunction<'reduceAll' | 'reduceAny'> =>
  ({ attrs, inputs: [x], plan }) => [castTo(reduced(op, castTo(x, 'int32', plan), attrs, plan), 'bool', plan)]

/** ONNX's indices are int64. */
const lowerArgMax: LowerFunction<'argMax'> = ({ attrs: { axis }, inputs: [x], types: [type], plan }) => {
  const attributes = { axis, keepdims: 0 }
  const index = plan.writer.node1('ArgMax', [plan.dense(x)], { ...type, dtype: 'int64' }, { attributes, isMain: true })
  return [narrowed(index, type, plan)]
}

const narrowed = (index: string, type: Type, plan: Planner): Held =>
  plan.made(type, plan.node('Cast', [index], type, { attributes: { to: elementTypes.int32 } }))

const lowerTopK: LowerFunction<'topK'> = ({ attrs: { k }, inputs: [x], types: [values, indices], plan }) => {
  const [made = '', at = ''] = plan.writer.node(
    'TopK',
    [plan.dense(x), plan.writer.int64s([k])],
    [values, { dtype: 'int64', shape: indices.shape }],
    { attributes: { axis: -1, largest: 1, sorted: 1 }, isMain: true },
  )
  return [plan.made(values, made), narrowed(at, indices, plan)]
}

export const reductionLowering: { readonly [K in keyof ReductionOps]: Lowering<K> } = {
  reduceSum: lowerSum,
  reduceMax: reduce('ReduceMax'),
  reduceMin: reduce('ReduceMin'),
  reduceProd: reduce('ReduceProd'),
  reduceAll: logical('ReduceMin'),
  reduceAny: logical('ReduceMax'),
  argMax: lowerArgMax,
  topK: lowerTopK,
}
