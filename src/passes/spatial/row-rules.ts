/**
 * How ops on images [N,H,W,C] treat rows, which are axis 1: which operand rows some rows of the result need, and the attributes of a node that computes
 * only these rows. Ops that are not here need whole images.
 */
import { opDef } from '../../ir/ops/index.ts'
import { windowAxes } from '../../ir/ops/window.ts'
import type { ConvAttrs, OpAttrs, OpName, Pair, ReduceAttrs, WindowAttrs } from '../../ir/signatures.ts'
import type { Node, Type } from '../../ir/types.ts'

/** The axis of the rows in [N,H,W,C]. */
export const rowAxis = 1

/** The rows `from` to below `to`. */
export interface Rows {
  readonly from: number
  readonly to: number
}

export interface RowRule {
  /** For each operand: is it an image whose rows are needed? All other operands are needed whole. */
  readonly operands: readonly boolean[]
  /** The rows of each such operand that these rows of the result need. At least one. */
  readonly needs: (rows: Rows) => Rows
  /** The attributes of the node that computes these rows from those that they need. */
  readonly attrs: (rows: Rows) => OpAttrs
}

/** The type of some rows of an image. */
export const typeOfRows = ({ dtype, shape }: Type, { from, to }: Rows): Type => ({
  dtype,
  shape: replaced(shape, to - from),
})

export const isImage = ({ shape }: Type): boolean => shape.length === 4

/** Null if the node has no image as its result, or if its rows are not known to depend on rows only. */
export const rowRuleOf = (node: Node, operands: readonly Type[]): RowRule | null => {
  const [type, ...others] = node.types
  if (type === undefined || others.length > 0 || !isImage(type)) return null
  // The rule belongs to the op of this node, which TypeScript cannot see.
  const known = (rules as { readonly [K in OpName]?: unknown })[node.op] as Rule<OpName> | undefined
  const rule = known ?? ruleOfKind(node)
  return rule?.({ attrs: node.attrs, operands, result: type }) ?? null
}

/** The rule of ops that need none of their own. */
const ruleOfKind = ({ op, attrs }: Node): Rule<OpName> | null => {
  if ('keepDims' in attrs) return reduction
  return opDef(op).fusion === 'elementwise' && op !== 'oneHot' ? elementwise : null
}

interface Case<K extends OpName> {
  readonly attrs: OpAttrs<K>
  readonly operands: readonly Type[]
  readonly result: Type
}
type Rule<K extends OpName> = (of: Case<K>) => RowRule | null

/** Each row of the result needs the same row of the operands. */
const rowByRow = (operands: readonly boolean[], attrs: (rows: Rows) => OpAttrs): RowRule => ({
  operands,
  needs: (rows) => rows,
  attrs,
})

/** Scalars are the same for all rows. */
const elementwise: Rule<OpName> = ({ attrs, operands }) => rowByRow(operands.map(isImage), () => attrs)

const first: Rule<OpName> = ({ attrs, operands }) =>
  rowByRow(
    operands.map((_, at) => at === 0),
    () => attrs,
  )

const along: Rule<'softmax' | 'logSoftmax'> = (of) => (of.attrs.axis === rowAxis ? null : first(of))

/** A reduction of other axes that keeps all axes. */
const reduction: Rule<OpName> = (of) => {
  const { axes, keepDims } = of.attrs as ReduceAttrs
  return keepDims && !axes.includes(rowAxis) ? first(of) : null
}

/** A window is part of the rows and columns; beside them is padding. */
const windowed = (image: Type, window: Pair, attrs: ConvAttrs | WindowAttrs, operandCount: number): RowRule | null => {
  const [height, width] = windowAxes([image.shape[1] as number, image.shape[2] as number], window, attrs)
  const extent = (height.window - 1) * height.dilation + 1
  /** The rows that the windows cover, with padding. Row 0 is the image's first row. */
  const covered = ({ from, to }: Rows): Rows => ({
    from: from * height.stride - height.before,
    to: (to - 1) * height.stride - height.before + extent,
  })
  const inside = ({ from, to }: Rows): Rows => ({ from: Math.max(from, 0), to: Math.min(to, height.input) })
  // A window may have padding only. Then there would be no rows to compute it from.
  for (let row = 0; row < height.output; row++) {
    const { from, to } = inside(covered({ from: row, to: row + 1 }))
    if (from >= to) return null
  }
  return {
    operands: Array.from({ length: operandCount }, (_, at) => at === 0),
    needs: (rows) => inside(covered(rows)),
    attrs: (rows) => {
      const all = covered(rows)
      const { from, to } = inside(all)
      const rowPadding: Pair = [from - all.from, all.to - to]
      return { ...attrs, padding: [rowPadding, [width.before, width.after]] }
    },
  }
}

const convolution: Rule<'conv2d' | 'depthwiseConv2d'> = ({ attrs, operands: [image, kernel] }) => {
  const [height, width] = kernel?.shape ?? []
  if (image === undefined || height === undefined || width === undefined) return null
  return windowed(image, [height, width], attrs, 2)
}

const pooling: Rule<'maxPool2d' | 'avgPool2d'> = ({ attrs, operands: [image] }) =>
  image === undefined ? null : windowed(image, attrs.window, attrs, 1)

/** Rows of padding are no rows of the operand, so the result's rows must all be others. */
const pad: Rule<'pad'> = ({ attrs, operands: [image] }) =>
  image === undefined || [attrs.low, attrs.high, attrs.interior].some((sizes) => sizes[rowAxis] !== 0)
    ? null
    : rowByRow([true], () => attrs)

const slice: Rule<'slice'> = ({ attrs, operands: [image] }) => {
  const { starts, limits, strides } = attrs
  const size = image?.shape[rowAxis] as number // infer() has checked the operand
  if (starts[rowAxis] !== 0 || limits[rowAxis] !== size || strides[rowAxis] !== 1) return null
  return rowByRow([true], ({ from, to }) => ({ ...attrs, limits: replaced(limits, to - from) }))
}

const broadcast: Rule<'broadcast'> = ({ attrs, operands: [image], result }) =>
  image !== undefined &&
  isImage(image) &&
  image.shape[rowAxis] === result.shape[rowAxis] &&
  attrs.axes.every((to, axis) => to === axis)
    ? rowByRow([true], ({ from, to }) => ({ ...attrs, shape: replaced(attrs.shape, to - from) }))
    : null

/** The list with another number at the axis of the rows. */
export const replaced = (sizes: readonly number[], rows: number): readonly number[] =>
  sizes.map((size, axis) => (axis === rowAxis ? rows : size))

const rules: { readonly [K in OpName]?: Rule<K> } = {
  silu: elementwise,
  conv2d: convolution,
  depthwiseConv2d: convolution,
  maxPool2d: pooling,
  avgPool2d: pooling,
  batchNormInference: first,
  concatenate: (of) => (of.attrs.axis === rowAxis ? null : elementwise(of)),
  pad,
  slice,
  reverse: (of) => (of.attrs.axes.includes(rowAxis) ? null : first(of)),
  broadcast,
  softmax: along,
  logSoftmax: along,
}
