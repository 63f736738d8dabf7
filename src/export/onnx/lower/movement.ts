/** Lowers ops that move elements. */
import type { MovementOps } from '../../../ir/signatures.ts'
import type { Type } from '../../../ir/types.ts'
import { castTo, isWhole, type LowerFunction, type Lowering } from '../lowering.ts'
import { axisIn, type Held, type Layout, perAxisIn, type Planner, shapeIn } from '../planner.ts'

const lowerReshape: LowerFunction<'reshape'> = ({ inputs: [x], types: [type], plan }) => [
  x.known !== null && isWhole(x)
    ? plan.known(type, x.known.data, x.known.name)
    : plan.made(type, plan.writer.reshape(plan.dense(x), type.shape, true)),
]

/** Nothing is repeated here: an axis of size 1 represents all positions, until a consumer needs them. */
const lowerBroadcast: LowerFunction<'broadcast'> = ({ attrs: { axes }, inputs: [x], types: [type], plan }) => {
  const shape = type.shape.map((_, axis) => x.shape[axes.indexOf(axis)] ?? 1)
  if (x.known !== null) return [plan.known(type, x.known.data, x.known.name, shape)]
  if (x.type.shape.length !== type.shape.length)
    return [plan.made(type, plan.writer.reshape(plan.stored(x), shape), 'last', shape)]
  plan.stored(x, plan.layoutOf([x]))
  return [{ type, shape, known: null, names: x.names }]
}

const lowerTranspose: LowerFunction<'transpose'> = ({ attrs: { permutation }, inputs: [x], types: [type], plan }) => {
  const layout = plan.layoutOf([x])
  const perm = permutation.map((axis) => axisIn(axis, layout))
  const name = plan.dense(x, layout)
  // The model's own transpose may equal the transpose that the layout needs.
  if (perm.every((from, axis) => from === axis)) return [plan.made(type, name)]
  return [plan.made(type, plan.node('Transpose', [name], type, { attributes: { perm }, isMain: true }))]
}

interface SliceAxis {
  readonly axis: number
  readonly start: number
  readonly limit: number
  readonly step: number
}

/** Slices the axes that change. Without such an axis, the result is the operand itself. */
const sliced = (x: string, type: Type, axes: readonly SliceAxis[], layout: Layout, plan: Planner): string => {
  if (axes.length === 0) return x
  const of = (pick: (axis: SliceAxis) => number): string => plan.writer.int64s(axes.map(pick))
  const operands = [
    of(({ start }) => start),
    of(({ limit }) => limit),
    of(({ axis }) => axisIn(axis, layout)),
    of(({ step }) => step),
  ]
  return plan.node('Slice', [x, ...operands], { ...type, shape: shapeIn(type.shape, layout) }, { isMain: true })
}

const lowerSlice: LowerFunction<'slice'> = ({
  attrs: { starts, limits, strides },
  inputs: [x],
  types: [type],
  plan,
}) => {
  const layout = plan.layoutOf([x])
  const axes = starts.map((start, axis) => ({ axis, start, limit: limits[axis] ?? 1, step: strides[axis] ?? 1 }))
  const changed = axes.filter(({ axis, step }) => step !== 1 || type.shape[axis] !== x.type.shape[axis])
  return [plan.made(type, sliced(plan.dense(x, layout), type, changed, layout, plan), layout)]
}

const lowerReverse: LowerFunction<'reverse'> = ({ attrs: { axes }, inputs: [x], types: [type], plan }) => {
  const layout = plan.layoutOf([x])
  // The limit is before the first element.
  const reversed = axes.map((axis) => ({ axis, start: -1, limit: -(type.shape[axis] ?? 1) - 1, step: -1 }))
  return [plan.made(type, sliced(plan.dense(x, layout), type, reversed, layout, plan), layout)]
}

const lowerConcatenate: LowerFunction<'concatenate'> = ({ attrs: { axis }, inputs, types: [type], plan }) => {
  const layout = plan.layoutOf(inputs)
  const names = inputs.map((x) => plan.dense(x, layout))
  const shape = shapeIn(type.shape, layout)
  const attributes = { axis: axisIn(axis, layout) }
  return [plan.made(type, plan.node('Concat', names, { ...type, shape }, { attributes, isMain: true }), layout)]
}

const lowerPad: LowerFunction<'pad'> = ({
  attrs: { low, high, interior, value },
  inputs: [x],
  types: [type],
  plan,
}) => {
  const layout = plan.layoutOf([x])
  const number = plan.number(type.dtype, value)
  const spread = interior.reduce(
    (held, gap, axis) => (gap === 0 ? held : withGaps(held, axis, gap, number, layout, plan)),
    x,
  )
  const pads = [...perAxisIn(low, layout), ...perAxisIn(high, layout)]
  const name = plan.dense(spread, layout)
  if (pads.every((size) => size === 0)) return [plan.made(type, name, layout)]
  const padded = { ...type, shape: shapeIn(type.shape, layout) }
  return [plan.made(type, plan.node('Pad', [name, plan.writer.int64s(pads), number], padded, { isMain: true }), layout)]
}

/** Inserts `gap` numbers between adjacent elements of an axis: each element is padded along a new axis, and the last gap is cut off. */
const withGaps = (x: Held, axis: number, gap: number, number: string, layout: Layout, plan: Planner): Held => {
  const { dtype } = x.type
  const shape = shapeIn(x.type.shape, layout)
  const at = axisIn(axis, layout)
  const size = shape[at] ?? 1
  const [before, after] = [shape.slice(0, at + 1), shape.slice(at + 1)]
  const apart = plan.writer.reshape(plan.dense(x, layout), [...before, 1, ...after])
  const pads = [...shape.map(() => 0), 0, ...shape.map((_, i) => (i === at ? gap : 0)), 0]
  // The axis of the gaps follows the axis itself.
  const behind = [...before.map(() => 0), gap, ...after.map(() => 0)]
  const padded = plan.node(
    'Pad',
    [apart, plan.writer.int64s([...pads.slice(0, shape.length + 1), ...behind]), number],
    {
      dtype,
      shape: [...before, 1 + gap, ...after],
    },
  )
  const joined = plan.writer.reshape(
    padded,
    shape.map((n, i) => (i === at ? n * (1 + gap) : n)),
  )
  const limit = size + (size - 1) * gap
  const type = { dtype, shape: x.type.shape.map((n, i) => (i === axis ? limit : n)) }
  return plan.made(type, sliced(joined, type, [{ axis, start: 0, limit, step: 1 }], layout, plan), layout)
}

/** ONNX counts negative indices from the end, and rejects indices that are out of bounds. */
const lowerGather: LowerFunction<'gather'> = ({ attrs: { axis }, inputs: [x, indices], types: [type], plan }) => {
  const last = (x.type.shape[axis] ?? 1) - 1
  const clamped = plan.node(
    'Clip',
    [plan.dense(indices), plan.number('int32', 0), plan.number('int32', last)],
    indices.type,
  )
  return [plan.made(type, plan.node('Gather', [plan.dense(x), clamped], type, { attributes: { axis }, isMain: true }))]
}

/** Uses comparisons, because ONNX's OneHot counts negative indices from the end. */
const lowerOneHot: LowerFunction<'oneHot'> = ({ attrs: { depth, dtype }, inputs: [indices], types: [type], plan }) => {
  const column = plan.writer.reshape(plan.dense(indices), [...indices.type.shape, 1])
  const classes = plan.writer.numbers(
    'int32',
    [depth],
    Array.from({ length: depth }, (_, i) => i),
  )
  const isHot = plan.made(
    { dtype: 'bool', shape: type.shape },
    plan.node('Equal', [column, classes], { ...type, dtype: 'bool' }),
  )
  return [castTo(isHot, dtype, plan)]
}

export const movementLowering: { readonly [K in keyof MovementOps]: Lowering<K> } = {
  reshape: lowerReshape,
  broadcast: lowerBroadcast,
  transpose: lowerTranspose,
  slice: lowerSlice,
  pad: lowerPad,
  concatenate: lowerConcatenate,
  reverse: lowerReverse,
  gather: lowerGather,
  oneHot: lowerOneHot,
}
