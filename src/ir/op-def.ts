/**
 * What is true of an op on every machine, as one record. How a backend runs it is the backend's own table.
 */
import type { AttrSpecs } from './attrs.ts'
import type { OpEmitter } from './emitter.ts'
import type { OpAttrs, OpIn, OpName, OpOut, Tolerance, Tuple } from './signatures.ts'
import type { Type } from './types.ts'
import type { Value } from './value.ts'

/**
 * Class of an op in the interpreter and in fusion:
 * source (no operands), model (only before toInference/toTraining), composite (decomposes into others), primitive, region (body is a graph).
 */
export type Level = 'source' | 'model' | 'composite' | 'primitive' | 'region'

/** How a fusion may take the op; kinds of fusion.md. */
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

/** Mixed-precision class of a port class; names as in TensorFlow, `wide` is effuse's: half in and out, float32 accumulation inside. */
export const ampClasses = ['allow', 'deny', 'infer', 'clear', 'wide'] as const
export type AmpClass = (typeof ampClasses)[number]

/** Ports that share one float type. Ports named in no class keep their type. */
export interface PortClass {
  readonly class: AmpClass
  readonly inputs: readonly number[] | 'all'
  readonly outputs: readonly number[] | 'all'
  /** Outputs that may stay float32 although the operands are half (attribute `resultDtype`), where the backend can. */
  readonly wideOutputs?: readonly number[]
}

/** Work of one node. Bytes follow from the types. */
export interface Cost {
  /** Fused multiply-adds of contractions; 0 elsewhere. The figure papers call "FLOPs". */
  readonly multiplyAdds: number
  /** Other arithmetic operations. */
  readonly operations: number
}

/** A tensor of the reference interpreter: every dtype is held as float64; bool as 0 and 1. Row-major. */
export interface RefTensor extends Type {
  readonly data: Float64Array
}

/** What a reference semantics may need besides its operands. */
export interface EvalContext {
  /** Content of a constant kept beside the graph, widened. */
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
  /** Gradient of each output, null where nothing flows back; a single output always has one. */
  readonly outGrads: OpOut<K> extends 1 ? readonly [Value] : Tuple<Value | null, OpOut<K>>
  readonly inputs: Tuple<Value, OpIn<K>>
  readonly outputs: Tuple<Value, OpOut<K>>
  readonly attrs: OpAttrs<K>
  readonly b: OpEmitter
}
/** Gradient of each operand, null where none flows. */
export type Vjp<K extends OpName> = (args: VjpArgs<K>) => Tuple<Value | null, OpIn<K>>

export interface DecomposeArgs<K extends OpName> {
  readonly inputs: Tuple<Value, OpIn<K>>
  readonly attrs: OpAttrs<K>
  readonly types: Tuple<Type, OpOut<K>>
  readonly b: OpEmitter
}

export interface OpDef<K extends OpName> {
  readonly name: K
  /** One sentence, ends with a full stop. */
  readonly summary: string
  /** Numbered: 'C1: equal shapes'. Every check in `infer` begins its message with the number. NaN, tie and rounding behaviour too. */
  readonly constraints: readonly string[]
  readonly level: Level
  /** Number of operands; must agree with signatures.ts. */
  readonly arity: OpIn<K>
  /** Attributes: what each accepts, and its default. Drives printer, parser and verifier. */
  readonly attrs: AttrSpecs<OpAttrs<K>>
  /** One type per output, or what is wrong, beginning with the constraint's number. `declared` are the types in the text, for sources. */
  readonly infer: (
    inputs: Tuple<Type, OpIn<K>>,
    attrs: OpAttrs<K>,
    declared: readonly Type[],
  ) => Tuple<Type, OpOut<K>> | string
  /** Reference semantics in float64, written to be read. The interpreter rounds the result to the node's dtype. One array per output. */
  readonly evalRef: (args: EvalArgs<K>) => Tuple<Float64Array, OpOut<K>>
  /** Vector-Jacobian product; 'zero' where the result is piecewise constant or not real-valued; 'by its body' of a composite; 'none' where the op cannot be differentiated (model form, fused regions). */
  readonly vjp: Vjp<K> | 'zero' | 'by its body' | 'none'
  /** The op in terms of others, for composites (required there) and where a backend lacks the primitive. */
  readonly decompose?: (args: DecomposeArgs<K>) => Tuple<Value, OpOut<K>>
  readonly amp: readonly PortClass[]
  readonly fusion: FusionClass
  readonly tolerance: Tolerance
  readonly cost: (inputs: Tuple<Type, OpIn<K>>, outputs: Tuple<Type, OpOut<K>>, attrs: OpAttrs<K>) => Cost
  /** A one-node graph in text, run by the tests and shown in docs/ops.md. */
  readonly example: string
}

/** An op definition seen without its name: what generic code (printer, verifier, interpreter, passes) uses. */
export interface AnyOpDef {
  readonly name: OpName
  readonly summary: string
  readonly constraints: readonly string[]
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
  readonly vjp:
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
  readonly example: string
}

/** All ports are of one class. */
export const ampAll = (ampClass: AmpClass): readonly PortClass[] => [{ class: ampClass, inputs: 'all', outputs: 'all' }]

/** One operation per element of the first output. */
export const elementwiseCost = (_inputs: readonly Type[], outputs: readonly Type[]): Cost => ({
  multiplyAdds: 0,
  operations: outputs.reduce((sum, type) => sum + type.shape.reduce((a, b) => a * b, 1), 0),
})
/** No arithmetic. */
export const noCost = (): Cost => ({ multiplyAdds: 0, operations: 0 })
