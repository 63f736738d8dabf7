/**
 * The data types of the IR: what a tensor is, what a node is, what a graph is.
 * Everything here is plain data (objects, arrays, strings, numbers, booleans), so that graphs can be frozen, compared by identity,
 * printed and parsed. Weights never enter a graph; see constants.ts.
 */
import type { OpAttrs, OpName } from './signatures.ts'

/** Floating-point element types. */
export type Float = 'float32' | 'float16' | 'bfloat16'
/** Element types of tensors. */
export type DType = Float | 'int32' | 'bool'
export const dtypes: readonly DType[] = ['float32', 'float16', 'bfloat16', 'int32', 'bool']
export const floats: readonly Float[] = ['float32', 'float16', 'bfloat16']

/** The type of one tensor: element type and static shape. A scalar has the shape `[]`; no dimension is zero. */
export interface Type {
  readonly dtype: DType
  readonly shape: readonly number[]
}

/** The number of a node: stable across passes, unique within its graph. Bodies of regions number for themselves, from 0. */
export type NodeId = number & { readonly __brand: 'NodeId' }

/** Makes a NodeId from a number that is known to be one. */
export const nodeId = (id: number): NodeId => id as NodeId

/** A value of a graph: output `port` of the node `id`. */
export interface Ref {
  readonly id: NodeId
  readonly port: number
}

/** A node of one op. */
export interface NodeOf<K extends OpName> {
  readonly id: NodeId
  readonly op: K
  readonly inputs: readonly Ref[]
  readonly attrs: OpAttrs<K>
  /** One type per output port. */
  readonly types: readonly Type[]
  /** Where in the model the node was declared, `blocks.3/se/reduce`; not part of equality or of the hash. */
  readonly path: string
}

/** A node: a discriminated union over `op`. */
export type Node<K extends OpName = OpName> = { [P in K]: NodeOf<P> }[K]

export interface Output {
  readonly name: string
  readonly value: Ref
}

/** `variable` (a node of op `variable`) takes `value` when the run ends; all updates commit together. */
export interface Update {
  readonly variable: NodeId
  readonly value: Ref
}

/** A graph: an array of frozen nodes, `null` where a node was removed. Node `id` stands at index `id`. */
export interface Graph {
  readonly name: string
  readonly nodes: readonly (Node | null)[]
  /** The signature, in order; an input stays even where nothing uses it. Regions take their operands by this order. */
  readonly inputs: readonly NodeId[]
  readonly outputs: readonly Output[]
  readonly updates: readonly Update[]
}

/** `float32[8,28,28,16]`. */
export const showType = (type: Type): string => `${type.dtype}[${type.shape.join(',')}]`

export const sameShape = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((size, axis) => size === b[axis])

export const sameType = (a: Type, b: Type): boolean => a.dtype === b.dtype && sameShape(a.shape, b.shape)

export const isFloat = (dtype: DType): dtype is Float => dtype !== 'int32' && dtype !== 'bool'

/** Number of elements of a shape. */
export const elements = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1)

const widths: { readonly [D in DType]: number } = { float32: 4, float16: 2, bfloat16: 2, int32: 4, bool: 1 }

/** Size of a tensor in bytes, as stored densely. */
export const sizeBytes = (type: Type): number => elements(type.shape) * widths[type.dtype]
