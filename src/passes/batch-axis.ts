/**
 * How each op divides a batch: if an axis of its operands has the examples, which axis of its results has them, and which attributes a part of the
 * batch needs. Ops that are not here may mix examples.
 */
import { opDef } from '../ir/ops/index.ts'
import type { OpAttrs, OpName, ReductionOps } from '../ir/signatures.ts'
import { elements, type Node, type Type } from '../ir/types.ts'

/** An axis that has the examples; null if the value is the same for all parts of the batch. */
export type Axis = number | null

export interface Division {
  /** The axis that each operand needs. */
  readonly operands: readonly Axis[]
  /** The axis of each result. */
  readonly results: readonly number[]
  /** The attributes of a part, if they differ. */
  readonly attrs?: OpAttrs
}

interface Case<K extends OpName> {
  readonly attrs: OpAttrs<K>
  readonly operands: readonly Type[]
  readonly result: Type
  /** The axes that the operands have. One at least is not null. */
  readonly axes: readonly Axis[]
  readonly parts: number
}
type Rule<K extends OpName> = (of: Case<K>) => Division | null

/** How the node divides a batch into equal parts. Null if it mixes examples, or if it is not known. */
export const divisionOf = (
  { op, attrs, types }: Node,
  operands: readonly Type[],
  axes: readonly Axis[],
  parts: number,
): Division | null => {
  // The rule belongs to the op of this node, which TypeScript cannot see.
  const known = (rules as { readonly [K in OpName]?: unknown })[op] as Rule<OpName> | undefined
  const rule = known ?? (opDef(op).fusion === 'elementwise' ? elementwise : null)
  return rule?.({ attrs, operands, result: types[0] as Type, axes, parts }) ?? null
}

/**
 * The division of a node whose operands are the same for all parts, if its result has equal elements along the axis. Then each part may have its own
 * share of them. Null if the elements may differ.
 */
export const repetitionOf = (
  node: Node,
  operands: readonly Type[],
  axis: number,
  parts: number,
): Omit<Division, 'results'> | null => {
  if (node.op === 'constant') return typeof node.attrs.value === 'number' ? { operands: [] } : null
  if (node.op === 'iota') {
    const { attrs } = node
    return attrs.axis === axis ? null : { operands: [], attrs: { ...attrs, shape: divided(attrs.shape, axis, parts) } }
  }
  if (node.op === 'broadcast') {
    const { attrs } = node
    const from = attrs.axes.indexOf(axis)
    const isRepeated = from < 0 || operands[0]?.shape[from] === 1
    return { operands: [isRepeated ? null : from], attrs: { ...attrs, shape: divided(attrs.shape, axis, parts) } }
  }
  if (node.op === 'oneHot' || opDef(node.op).fusion !== 'elementwise') return null
  return { operands: operands.map(({ shape }) => (shape.length === 0 ? null : axis)) }
}

/** The shape of a part. */
export const divided = (shape: readonly number[], axis: number, parts: number): readonly number[] =>
  shape.map((size, at) => (at === axis ? size / parts : size))

/** The axis that all operands have that have one; null if they differ. */
const commonAxis = (axes: readonly Axis[]): Axis => {
  const known = axes.filter((axis) => axis !== null)
  return known.every((axis) => axis === known[0]) ? (known[0] ?? null) : null
}

/** Scalars are the same for all elements. */
const elementwise: Rule<OpName> = ({ operands, axes }) => {
  const axis = commonAxis(axes)
  return axis === null
    ? null
    : { operands: operands.map(({ shape }) => (shape.length === 0 ? null : axis)), results: [axis] }
}

/** An op that computes along the axis `at` and keeps the shape. */
const along: Rule<'softmax' | 'logSoftmax'> = ({ attrs, axes: [axis = null] }) =>
  axis === null || axis === attrs.axis ? null : { operands: [axis], results: [axis] }

type Reduction = keyof ReductionOps | 'mean' | 'variance'
const reduction: Rule<Exclude<Reduction, 'argMax' | 'topK'>> = ({
  attrs: { axes: gone, keepDims },
  axes: [axis = null],
}) =>
  axis === null || gone.includes(axis)
    ? null
    : { operands: [axis], results: [keepDims ? axis : axis - gone.filter((other) => other < axis).length] }

/** Images [N,H,W,C] with a filter or a window. */
const images: Rule<OpName> = ({ axes: [axis = null, ...others] }) =>
  axis === 0 && others.every((other) => other === null) ? { operands: [0, ...others], results: [0] } : null

const matmul: Rule<'matmul'> = ({ attrs: { transposeA, transposeB }, operands: [x], axes }) => {
  const rank = x?.shape.length ?? 0
  const [a = null, b = null] = axes
  if (b === null && a === (transposeA ? rank - 1 : rank - 2)) return { operands: axes, results: [rank - 2] }
  if (a === null && b === (transposeB ? rank - 2 : rank - 1)) return { operands: axes, results: [rank - 1] }
  const axis = commonAxis(axes)
  return axis !== null && axis < rank - 2 ? { operands: [axis, axis], results: [axis] } : null
}

/**
 * In row-major order, one part of the operand must be one part of the result. Both axes then have the same number of elements before them, and so also
 * the same number from them on.
 */
const reshape: Rule<'reshape'> = ({ attrs: { shape }, operands: [x], axes: [axis = null], parts }) => {
  if (x === undefined || axis === null) return null
  const before = elements(x.shape.slice(0, axis))
  const to = shape.findIndex((size, at) => size % parts === 0 && elements(shape.slice(0, at)) === before)
  return to < 0 ? null : { operands: [axis], results: [to], attrs: { shape: divided(shape, to, parts) } }
}

const broadcast: Rule<'broadcast'> = ({ attrs, axes: [axis = null], parts }) => {
  const to = axis === null ? undefined : attrs.axes[axis]
  if (to === undefined) return null
  return { operands: [axis], results: [to], attrs: { ...attrs, shape: divided(attrs.shape, to, parts) } }
}

/** All examples must be in the slice. */
const slice: Rule<'slice'> = ({ attrs, operands: [x], axes: [axis = null], parts }) => {
  const { starts, limits, strides } = attrs
  if (axis === null || starts[axis] !== 0 || strides[axis] !== 1 || limits[axis] !== x?.shape[axis]) return null
  return { operands: [axis], results: [axis], attrs: { ...attrs, limits: divided(limits, axis, parts) } }
}

const pad: Rule<'pad'> = ({ attrs: { low, high, interior }, axes: [axis = null] }) =>
  axis === null || [low, high, interior].some((sizes) => sizes[axis] !== 0)
    ? null
    : { operands: [axis], results: [axis] }

/** Either the rows have the examples, or the indices. */
const gather: Rule<'gather'> = ({ attrs: { axis: at }, operands: [, indices], axes: [x = null, index = null] }) => {
  if (x === null) return index === null ? null : { operands: [null, index], results: [at + index] }
  if (index !== null || x === at || indices === undefined) return null
  return { operands: [x, null], results: [x < at ? x : x + indices.shape.length - 1] }
}

const rules: { readonly [K in OpName]?: Rule<K> } = {
  silu: elementwise,
  oneHot: ({ axes: [axis = null] }) => (axis === null ? null : { operands: [axis], results: [axis] }),
  reshape,
  broadcast,
  slice,
  pad,
  gather,
  matmul,
  transpose: ({ attrs: { permutation }, axes: [axis = null] }) =>
    axis === null ? null : { operands: [axis], results: [permutation.indexOf(axis)] },
  reverse: ({ attrs, axes: [axis = null] }) =>
    axis === null || attrs.axes.includes(axis) ? null : { operands: [axis], results: [axis] },
  concatenate: ({ attrs, axes }) => {
    const axis = commonAxis(axes)
    return axis === null || axis === attrs.axis ? null : { operands: axes.map(() => axis), results: [axis] }
  },
  reduceSum: reduction,
  reduceMax: reduction,
  reduceMin: reduction,
  reduceProd: reduction,
  reduceAll: reduction,
  reduceAny: reduction,
  mean: reduction,
  variance: reduction,
  argMax: ({ attrs, axes: [axis = null] }) =>
    axis === null || axis === attrs.axis ? null : { operands: [axis], results: [axis < attrs.axis ? axis : axis - 1] },
  topK: ({ operands: [x], axes: [axis = null] }) =>
    axis === null || axis === (x?.shape.length ?? 0) - 1 ? null : { operands: [axis], results: [axis, axis] },
  softmax: along,
  logSoftmax: along,
  softmaxCrossEntropy: ({ axes }) => (commonAxis(axes) === 0 ? { operands: [0, 0], results: [0] } : null),
  batchNormInference: ({ operands: [x], axes: [axis = null, ...others] }) =>
    axis === null || axis === (x?.shape.length ?? 0) - 1 || others.some((other) => other !== null)
      ? null
      : { operands: [axis, ...others], results: [axis] },
  conv2d: images,
  depthwiseConv2d: images,
  maxPool2d: images,
  avgPool2d: images,
}
