/** A lowering defines which nodes of TensorFlow compute one op. lowering-table.ts has the table of all ops. */
import type { OpAttrs, OpIn, OpName, OpOut, Tuple } from '../../ir/signatures.ts'
import type { NodeOf, Type } from '../../ir/types.ts'
import type { FunctionBuilder } from './function-builder.ts'
import type { HalfKernels } from './half-kernels.ts'
import type { TfValue } from './types.ts'

export interface LowerArgs<K extends OpName> {
  readonly node: NodeOf<K>
  readonly attrs: OpAttrs<K>
  readonly inputs: Tuple<TfValue, OpIn<K>>
  readonly types: Tuple<Type, OpOut<K>>
  readonly f: FunctionBuilder
  readonly scope: Scope
}

/**
 * The reserve of FusedBatchNormV3 means different things on different devices: only the gradient of the same node may have it.
 */
export interface KeptByBatchNorm {
  readonly x: TfValue
  readonly epsilon: number
  readonly reserve: readonly TfValue[]
}

/** What a lowering may know of the graph around its node. */
export interface Scope {
  /**
   * The operand in a shape that TensorFlow's elementwise ops repeat by themselves: of a `broadcast`, its own operand with axes of size 1 added;
   * of other nodes, the value.
   */
  repeating(at: number): TfValue
  /** The vector [C] that the operand repeats along all axes but the last one; null where it does not. */
  repeatedVector(at: number): TfValue | null
  /** References of values that contractions gave: a bias added to them can be fused. */
  readonly contractions: Set<string>
  /** Contractions that may have half operands; those of the others are widened. */
  readonly halfKernels: HalfKernels
  /** TensorFlow may fuse activations with the sums before them, which loses NaN. */
  readonly mayLoseNan: boolean
  /** What a batch norm keeps for its gradient, by the reference of its mean. */
  readonly batchNorms: Map<string, KeptByBatchNorm>
  /** The random stream's key and counter, made once for each run and stream. */
  philox(stream: string): { readonly key: TfValue; readonly counter: TfValue }
}

/** Adds nodes to the function and returns the results, one per output. */
export type LowerFunction<K extends OpName> = (args: LowerArgs<K>) => Tuple<TfValue, OpOut<K>>

/** 'decompose': by the op's own decomposition, a pass of legalize. */
export type Lowering<K extends OpName> = LowerFunction<K> | 'decompose'
export type LoweringTable = { readonly [K in OpName]: Lowering<K> }
