/**
 * The record of an op: everything that holds on every machine. How a backend runs the op is in the backend's table.
 */
import type { AttrSpecs } from './attrs.ts'
import type { OpEmitter } from './emitter.ts'
import type { CompositeOp, OpAttrs, OpIn, OpName, OpOut, Tolerance, Tuple } from './signatures.ts'
import type { Type } from './types.ts'
import type { Value } from './value.ts'

/**
 * Class of an op in the interpreter and in fusion:
 * source (no operands), model (only before toInference/toTraining), composite (decomposes into others), primitive, region (body is a graph).
 */
export type Level = 'source' | 'model' | 'composite' | 'primitive' | 'region'

/** How the op may become a part of a fusion. */
export type FusionClass =
  | 'source'
  | 'elementwise'
  | 'broadcast'
  | 'movement'
  | 'reduction'
  | 'contraction'
  | 'depthwise'
  | 'window'
  | 'gather'
  | 'random'
  | 'composite'
  | 'opaque'

/** Mixed-precision class of a port class. The names are TensorFlow's, except `wide`: half operands and results, float32 accumulation. */
export const ampClasses = ['allow', 'deny', 'infer', 'clear', 'wide'] as const
export type AmpClass = (typeof ampClasses)[number]

/** Ports that must have one float type. Ports in no class keep their type. */
export interface PortClass {
  readonly class: AmpClass
  readonly inputs: readonly number[] | 'all'
  readonly outputs: readonly number[] | 'all'
  /** Outputs that may stay float32 with half operands (attribute `resultDtype`), if the backend supports it. */
  readonly wideOutputs?: readonly number[]
}

/** Work of one node. Bytes follow from the types. */
export interface Cost {
  /** Fused multiply-adds of contractions; 0 for other ops. Papers call this figure "FLOPs". */
  readonly multiplyAdds: number
  /** Other arithmetic operations. */
  readonly operations: number
}

/** A tensor of the reference interpreter: row-major float64 for every dtype; bool as 0 and 1. */
export interface RefTensor extends Type {
  readonly data: Float64Array
}

/** What the reference semantics of an op can use besides its operands. */
export interface EvalContext {
  /** Content of a constant that is stored beside the graph, as float64. */
  constant(sha256: string, type: Type): Float64Array
  /** The words of a random stream, in [0, 1). */
  randomUniform(stream: string, count: number): Float64Array
  /** Interprets a region on operands by position. */
  region(body: import('./types.ts').Graph, operands: readonly RefTensor[]): readonly RefTensor[]
}

export interface EvalArgs<K extends OpName> {
  readonly inputs: Tuple<RefTensor, OpIn<K>>
  readonly attrs: OpAttrs<K>
  readonly types: Tuple<Type, OpOut<K>>
  readonly cx: EvalContext
}

export interface VjpArgs<K extends OpName> {
  /** Gradient of each output; null if the result does not depend on it. The gradient of a single output is never null. */
  readonly outGrads: OpOut<K> extends 1 ? readonly [Value] : Tuple<Value | null, OpOut<K>>
  readonly inputs: Tuple<Value, OpIn<K>>
  readonly outputs: Tuple<Value, OpOut<K>>
  readonly attrs: OpAttrs<K>
  readonly b: OpEmitter
}
/** Gradient of each operand; null if it has none. */
export type Vjp<K extends OpName> = (args: VjpArgs<K>) => Tuple<Value | null, OpIn<K>>
/**
 * Vector-Jacobian product of an op. 'zero': the result is piecewise constant or not real-valued. 'by its body': a composite. 'none': the op
 * cannot be differentiated (model form, fused regions). It is apart from OpDef so that bundles without training do not have it.
 */
export type OpVjp<K extends OpName> = Vjp<K> | 'zero' | 'by its body' | 'none'
/** The gradient of an op without the type of its name. */
export type AnyOpVjp =
  | ((args: {
      outGrads: readonly (Value | null)[]
      inputs: readonly Value[]
      outputs: readonly Value[]
      attrs: object
      b: OpEmitter
    }) => readonly (Value | null)[])
  | 'zero'
  | 'by its body'
  | 'none'

export interface DecomposeArgs<K extends OpName> {
  readonly inputs: Tuple<Value, OpIn<K>>
  readonly attrs: OpAttrs<K>
  readonly types: Tuple<Type, OpOut<K>>
  readonly b: OpEmitter
}

/** The documentation of an op. The compiler does not use it: it is apart from OpDef so that bundlers can drop it. */
export interface OpDoc {
  /** One sentence with a full stop. */
  readonly summary: string
  /** Numbered: 'C1: equal shapes'. Each message of `infer` begins with the number. Also the behaviour for NaN, ties and rounding. */
  readonly constraints: readonly string[]
  /** A graph of one node as text. Tests run it, and docs/ops.md shows it. Calls need the annotation PURE, or bundlers keep the whole record. */
  readonly example: string
}

export interface OpDef<K extends OpName> {
  readonly name: K
  readonly level: Level
  /** Number of operands, as in signatures.ts. */
  readonly arity: OpIn<K>
  /** What each attribute accepts, and its default. Printer, parser and verifier use it. */
  readonly attrs: AttrSpecs<OpAttrs<K>>
  /** One type per output, or what is wrong, beginning with the constraint's number. `declared`: the types that the text states, for sources. */
  readonly infer: (
    inputs: Tuple<Type, OpIn<K>>,
    attrs: OpAttrs<K>,
    declared: readonly Type[],
  ) => Tuple<Type, OpOut<K>> | string
  /** Reference semantics in float64, one array per output, written to be read. The interpreter rounds the results to the node's dtypes. */
  readonly evalRef: (args: EvalArgs<K>) => Tuple<Float64Array, OpOut<K>>
  /** The op in terms of others. */
  readonly decompose?: (args: DecomposeArgs<K>) => Tuple<Value, OpOut<K>>
  readonly amp: readonly PortClass[]
  readonly fusion: FusionClass
  readonly tolerance: Tolerance
  readonly cost: (inputs: Tuple<Type, OpIn<K>>, outputs: Tuple<Type, OpOut<K>>, attrs: OpAttrs<K>) => Cost
}

/** The definition of an op that decomposes. Backends without a kernel for the op run its decomposition. */
export interface CompositeDef<K extends CompositeOp> extends OpDef<K> {
  readonly level: 'composite'
  readonly decompose: (args: DecomposeArgs<K>) => Tuple<Value, OpOut<K>>
}

/** An op definition without the type of its name, for generic code (printer, verifier, interpreter, passes). */
export interface AnyOpDef {
  readonly name: OpName
  readonly level: Level
  readonly arity: number | 'variadic'
  readonly attrs: AttrSpecs<{ readonly [name: string]: unknown }>
  readonly infer: (inputs: readonly Type[], attrs: object, declared: readonly Type[]) => readonly Type[] | string
  readonly evalRef: (args: {
    inputs: readonly RefTensor[]
    attrs: object
    types: readonly Type[]
    cx: EvalContext
  }) => readonly Float64Array[]
  readonly decompose?: (args: {
    inputs: readonly Value[]
    attrs: object
    types: readonly Type[]
    b: OpEmitter
  }) => readonly Value[]
  readonly amp: readonly PortClass[]
  readonly fusion: FusionClass
  readonly tolerance: Tolerance
  readonly cost: (inputs: readonly Type[], outputs: readonly Type[], attrs: object) => Cost
}

/** All ports in one class. */
export const ampAll = (ampClass: AmpClass): readonly PortClass[] => [{ class: ampClass, inputs: 'all', outputs: 'all' }]

/** One operation per element of the first output. */
export const elementwiseCost = (_inputs: readonly Type[], outputs: readonly Type[]): Cost => ({
  multiplyAdds: 0,
  operations: outputs.reduce((sum, type) => sum + type.shape.reduce((a, b) => a * b, 1), 0),
})
/** No arithmetic. */
export const noCost = (): Cost => ({ multiplyAdds: 0, operations: 0 })
