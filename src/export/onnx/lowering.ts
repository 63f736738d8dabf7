/** The types and helpers of lowerings from IR ops to ONNX nodes. table.ts has all lowerings. */
import type {
  ElementwiseOps,
  OpAttrs,
  OpIn,
  OpName,
  OpOut,
  Tuple,
  WithOptionalComposites,
} from '../../ir/signatures.ts'
import { type NodeOf, sameShape, type Type } from '../../ir/types.ts'
import { type Held, type Planner, shapeIn } from './planner.ts'
import type { Attributes } from './onnx-writer.ts'

export interface LowerArgs<K extends OpName> {
  readonly node: NodeOf<K>
  readonly attrs: OpAttrs<K>
  readonly inputs: Tuple<Held, OpIn<K>>
  readonly types: Tuple<Type, OpOut<K>>
  readonly plan: Planner
  /** Is the node the only user of operand `index`? */
  readonly isOnlyUse: (index: number) => boolean
}

/** Adds nodes, and returns one value per output. */
export type LowerFunction<K extends OpName> = (args: LowerArgs<K>) => Tuple<Held, OpOut<K>>

/** Ops that do not occur in a file for inference, or that ONNX cannot express. */
export interface Unsupported {
  readonly unsupported: string
}
export const unsupported = (reason: string): Unsupported => ({ unsupported: reason })

export type Lowering<K extends OpName> = LowerFunction<K> | Unsupported
/**
 * Total except for elementwise ops and composites. The export rejects an elementwise op that has no entry. The pass decompose replaces composites that
 * have none.
 */
export type LoweringTable = WithOptionalComposites<
  { readonly [K in Exclude<OpName, keyof ElementwiseOps>]: Lowering<K> } & {
    readonly [K in keyof ElementwiseOps]?: Lowering<K> | undefined
  }
>

interface CallOptions {
  readonly dtype?: Type['dtype']
  readonly attributes?: Attributes
  readonly isMain?: boolean
}
/** Adds a node. Its result has the current shape, and the current dtype unless another one is given. */
export type Call = (op: string, inputs: readonly string[], options?: CallOptions) => string

/**
 * One value per element of the operands. It keeps the layout of the operands and does not repeat elements before a consumer needs that, because
 * ONNX's elementwise operators broadcast.
 */
export const pointwise = (
  operands: readonly Held[],
  type: Type,
  plan: Planner,
  emit: (names: readonly string[], call: Call) => string,
): Held => {
  const rank = type.shape.length
  const whole = operands.filter((x) => x.type.shape.length === rank)
  const layout = plan.layoutOf(whole)
  const shape = type.shape.map((_, axis) => whole.reduce((size, x) => Math.max(size, x.shape[axis] ?? 1), 1))
  const stored = { dtype: type.dtype, shape: shapeIn(shape, layout) }
  const isLiteral = (x: Held): boolean => x.known?.data.length === 1
  const names = operands.map((x) => {
    // A literal next to other operands is a scalar.
    if (isLiteral(x) && !whole.every(isLiteral)) return plan.number(x.type.dtype, x.known?.data[0] ?? 0)
    return plan.stored(x, x.type.shape.length === rank ? layout : 'last')
  })
  const call: Call = (op, inputs, { dtype = type.dtype, ...options } = {}) =>
    plan.node(op, inputs, { ...stored, dtype }, options)
  return plan.made(type, emit(names, call), layout, shape)
}

/** The value cast to another dtype. */
export const castTo = (x: Held, dtype: Type['dtype'], plan: Planner): Held =>
  x.type.dtype === dtype
    ? x
    : pointwise([x], { dtype, shape: x.type.shape }, plan, ([name = ''], call) =>
        call('Cast', [name], { attributes: { to: elementTypes[dtype] } }),
      )

/** ONNX's codes of element types (TensorProto.DataType). */
export const elementTypes: { readonly [D in Type['dtype']]: number } = {
  float32: 1,
  float16: 10,
  bfloat16: 16,
  int32: 6,
  bool: 9,
}

/** Half operands are computed in float32, and the result is rounded once. */
export const inFloat32 = (x: Held, type: Type, plan: Planner, compute: (wide: Held, type: Type) => Held): Held => {
  const made = compute(castTo(x, 'float32', plan), { ...type, dtype: 'float32' })
  return castTo(made, type.dtype, plan)
}

export const isWhole = (x: Held): boolean => sameShape(x.shape, x.type.shape)
