/**
 * The data types of the IR: tensor types, nodes and graphs.
 * They are plain data (objects, arrays, strings, numbers, booleans), so that graphs can be frozen, compared by identity, printed and parsed.
 * A graph never contains weights; see constants.ts.
 */
import type { OpAttrs, OpName } from './signatures.ts'

/** Floating-point element types. */
export type Float = 'float32' | 'float16' | 'bfloat16'
/** The half types. */
export type Half = Exclude<Float, 'float32'>
/** Element types of tensors. */
export type DType = Float | 'int32' | 'bool'
export const dtypes: readonly DType[] = ['float32', 'float16', 'bfloat16', 'int32', 'bool']
export const floats: readonly Float[] = ['float32', 'float16', 'bfloat16']

/** The type of one tensor: element type and static shape. A scalar has the shape `[]`; all dimensions are positive. */
export interface Type {
  readonly dtype: DType
  readonly shape: readonly number[]
}

/** The number of a node: stable across passes, unique within its graph. Nodes of a body have numbers of their own, from 0. */
export type NodeId = number & { readonly __brand: 'NodeId' }

/** Marks a number as a NodeId. */
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
  /** The place in the model that declares the node, `blocks.3/se/reduce`; not a part of equality or of the hash. */
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

/** A graph: an array of frozen nodes. Node `id` is at index `id`; a removed node is `null`. */
export interface Graph {
  readonly name: string
  readonly nodes: readonly (Node | null)[]
  /** The signature, in order; unused inputs stay. Regions pass their operands in this order. */
  readonly inputs: readonly NodeId[]
  readonly outputs: readonly Output[]
  readonly updates: readonly Update[]
}

/** `float32[8,28,28,16]`. */
export const showType = (type: Type): string => `${type.dtype}[${type.shape.join(',')}]`

export const sameShape = (a: readonly number[], b: readonly number[]): boolean => {
  if (a.length !== b.length) return false
  for (let axis = 0; axis < a.length; axis++) if (a[axis] !== b[axis]) return false
  return true
}

export const sameType = (a: Type, b: Type): boolean => a === b || (a.dtype === b.dtype && sameShape(a.shape, b.shape))

/** Takes any name of a type, because backends have types that the IR does not have. */
export const isHalf = (dtype: string): dtype is Half => dtype === 'float16' || dtype === 'bfloat16'

export const isFloat = (dtype: DType): dtype is Float => dtype !== 'int32' && dtype !== 'bool'

/** Number of elements of a shape. */
export const elements = (shape: readonly number[]): number => {
  let product = 1
  for (let at = 0; at < shape.length; at++) product *= shape[at] as number // called so often that an iterator costs time
  return product
}

const widths: { readonly [D in DType]: number } = { float32: 4, float16: 2, bfloat16: 2, int32: 4, bool: 1 }

/** Size of a dense tensor in bytes. */
export const sizeBytes = (type: Type): number => elements(type.shape) * widths[type.dtype]
