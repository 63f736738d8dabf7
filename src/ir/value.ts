/** Values of a graph being built, and the types of tensors as users declare them. */
import { inspectKey } from './shown.ts'
import { showType, type DType, type Float, type NodeId, type Ref, type Type } from './types.ts'
import type { OpEmitter } from './emitter.ts'

/** A size: a number, or the symbol `batch`, which compile() replaces. */
export type Dim = number | 'batch'

/** The declared type of a tensor: `float32('batch', 28, 28, 1)` is a `TensorType<'float32', 4>`. */
export interface TensorType<D extends DType = DType, R extends number = number> {
  readonly dtype: D
  readonly rank: R
  readonly shape: readonly Dim[]
}
/** Names to types: the inputs or the outputs of a model. */
export type Signature = { readonly [name: string]: TensorType }

/** A tensor of a graph being built; ops take and return values. It refers to the emitter that makes nodes for it. */
export interface Value<D extends DType = DType, R extends number = number> extends TensorType<D, R> {
  readonly builder: OpEmitter
  readonly id: NodeId
  readonly port: number
  /** Real sizes: a graph is built for one batch size. */
  readonly shape: readonly number[]
}
export type Scalar = Value<'float32', 0>
/** [N, H, W, C]: the type that layers take and return. */
export type Image<D extends Float = 'float32'> = Value<D, 4>
export type Values<S extends Signature> = { readonly [K in keyof S]: Value<S[K]['dtype'], S[K]['rank']> }

/** The handle for output `port` of node `id`. */
export const makeValue = (builder: OpEmitter, ref: Ref, type: Type): Value =>
  Object.freeze(new Handle(builder, ref, type))

/** A class, so that thousands of values share their methods. */
class Handle implements Value {
  readonly builder: OpEmitter
  readonly id: NodeId
  readonly port: number
  readonly dtype: DType
  readonly shape: readonly number[]
  readonly rank: number

  constructor(builder: OpEmitter, { id, port }: Ref, { dtype, shape }: Type) {
    this.builder = builder
    this.id = id
    this.port = port
    this.dtype = dtype
    this.shape = shape
    this.rank = shape.length
  }

  toString(): string {
    return `Value ${showType(this)} of a graph; only runs of the compiled graph give it numbers`
  }

  [inspectKey](): string {
    return this.toString()
  }
}

const declare =
  <D extends DType>(dtype: D) =>
  <const S extends readonly Dim[]>(...shape: S): TensorType<D, S['length']> =>
    Object.freeze({ dtype, rank: shape.length as S['length'], shape: Object.freeze([...shape]) })

/**
 * Declares a float32 tensor of sizes that are numbers, or 'batch', which compile() replaces. No sizes: a scalar.
 *
 * @throws EffuseError EF111 at graph() (a size that is no positive integer).
 * @example
 * const image = float32('batch', 224, 224, 3)
 */
export const float32: Declare<'float32'> = declare('float32')
/**
 * Declares a float16 tensor of sizes that are numbers, or 'batch', which compile() replaces. No sizes: a scalar.
 *
 * @throws EffuseError EF111 at graph() (a size that is no positive integer).
 * @example
 * const half = float16('batch', 8)
 */
export const float16: Declare<'float16'> = declare('float16')
/**
 * Declares a bfloat16 tensor of sizes that are numbers, or 'batch', which compile() replaces. No sizes: a scalar.
 *
 * @throws EffuseError EF111 at graph() (a size that is no positive integer).
 * @example
 * const half = bfloat16('batch', 8)
 */
export const bfloat16: Declare<'bfloat16'> = declare('bfloat16')
/**
 * Declares an int32 tensor of sizes that are numbers, or 'batch', which compile() replaces. No sizes: a scalar.
 *
 * @throws EffuseError EF111 at graph() (a size that is no positive integer).
 * @example
 * const label = int32('batch')
 */
export const int32: Declare<'int32'> = declare('int32')
/**
 * Declares a bool tensor of sizes that are numbers, or 'batch', which compile() replaces. No sizes: a scalar. Callers feed it as 0 and 1.
 *
 * @throws EffuseError EF111 at graph() (a size that is no positive integer).
 * @example
 * const flag = bool()
 */
export const bool: Declare<'bool'> = declare('bool')
type Declare<D extends DType> = <const S extends readonly Dim[]>(...shape: S) => TensorType<D, S['length']>
