/**
 * Methods that emit nodes. The public builder, gradients and decompositions share them.
 * A subclass decides where a node goes (a graph being built, an edit); the methods here fill in attributes and broadcast.
 */
import { inlineElementsMax } from './constants.ts'
import { EffuseError } from './diagnostics.ts'
import { inlineInto } from './inline.ts'
import { broadcastShape } from './ops/shape.ts'
import type { BinaryOp, ConvAttrs, OpAttrs, OpName, Padding, Pair, UnaryOp, WindowAttrs } from './signatures.ts'
import { elements, sameShape, type DType, type Float, type Graph, type NodeId, type Ref, type Type } from './types.ts'
import type { Value } from './value.ts'

export abstract class OpEmitter {
  /** Adds a node and returns its values, one per output. Checks the types of the operands; errors name path and shapes. */
  abstract emit<K extends OpName>(
    op: K,
    inputs: readonly Ref[],
    attrs: OpAttrs<K>,
    declared?: readonly Type[],
  ): readonly Value[]

  /** Stores the bytes of a large literal with the graph's constants and returns their hash. */
  protected abstract addConstant(type: Type, data: Float32Array | Int32Array | Uint8Array): string

  /** Adds a node with one output and returns that. */
  emit1<K extends OpName>(op: K, inputs: readonly Ref[], attrs: OpAttrs<K>, declared?: readonly Type[]): Value {
    const value = this.emit(op, inputs, attrs, declared)[0]
    if (value === undefined) throw new EffuseError({ code: 'EF901', message: `op ${op} gave no value` })
    return value
  }

  // Sources.
  /** One number for all elements. */
  splat(value: number, type: Type): Value {
    return this.emit1('constant', [], { value }, [type])
  }
  /** A scalar of x's dtype, broadcast to x's shape. */
  like(x: Value, value: number): Value {
    return this.splat(value, { dtype: x.dtype, shape: x.shape })
  }
  /** A literal. Short ones are stored in the graph, long ones beside it. */
  literal(type: Type, data: Float32Array | Int32Array | Uint8Array): Value {
    const inline = elements(type.shape) <= inlineElementsMax
    return this.emit1('constant', [], { value: inline ? [...data] : { sha256: this.addConstant(type, data) } }, [type])
  }
  iota(shape: readonly number[], axis: number, dtype: DType): Value {
    return this.emit1('iota', [], { shape, axis, dtype })
  }
  randomUniformOf(shape: readonly number[], stream: string): Value {
    return this.emit1('randomUniform', [], { shape, stream })
  }

  // Elementwise. A number or a smaller operand broadcasts to the other.
  unary(op: UnaryOp, x: Value): Value {
    return this.emit1(op, [x], {})
  }
  binary(op: BinaryOp, a: Value | number, b: Value | number): Value {
    const [x, y] = this.aligned(a, b)
    return this.emit1(op, [x, y], {})
  }
  neg(x: Value): Value {
    return this.unary('neg', x)
  }
  abs(x: Value): Value {
    return this.unary('abs', x)
  }
  exp(x: Value): Value {
    return this.unary('exp', x)
  }
  log(x: Value): Value {
    return this.unary('log', x)
  }
  sqrt(x: Value): Value {
    return this.unary('sqrt', x)
  }
  rsqrt(x: Value): Value {
    return this.unary('rsqrt', x)
  }
  reciprocal(x: Value): Value {
    return this.unary('reciprocal', x)
  }
  sigmoid(x: Value): Value {
    return this.unary('sigmoid', x)
  }
  tanh(x: Value): Value {
    return this.unary('tanh', x)
  }
  add(a: Value | number, b: Value | number): Value {
    return this.binary('add', a, b)
  }
  sub(a: Value | number, b: Value | number): Value {
    return this.binary('sub', a, b)
  }
  mul(a: Value | number, b: Value | number): Value {
    return this.binary('mul', a, b)
  }
  div(a: Value | number, b: Value | number): Value {
    return this.binary('div', a, b)
  }
  pow(a: Value | number, b: Value | number): Value {
    return this.binary('pow', a, b)
  }
  maximum(a: Value | number, b: Value | number): Value {
    return this.binary('maximum', a, b)
  }
  minimum(a: Value | number, b: Value | number): Value {
    return this.binary('minimum', a, b)
  }
  compare(direction: OpAttrs<'compare'>['direction'], a: Value | number, b: Value | number): Value {
    const [x, y] = this.aligned(a, b)
    return this.emit1('compare', [x, y], { direction })
  }
  /** `condition` is a scalar or has the shape of the branches. */
  select(condition: Value, a: Value | number, b: Value | number): Value {
    const [x, y] = this.aligned(a, b)
    return this.emit1('select', [condition, x, y], {})
  }
  /** Returns x itself if it has the dtype already. */
  cast(x: Value, to: DType, relaxed = false): Value {
    return x.dtype === to ? x : this.emit1('cast', [x], { to, relaxed })
  }

  // Movement.
  reshape(x: Value, shape: readonly number[]): Value {
    return sameShape(x.shape, shape) ? x : this.emit1('reshape', [x], { shape })
  }
  transpose(x: Value, permutation: readonly number[]): Value {
    return this.emit1('transpose', [x], { permutation })
  }
  /** Repeats x along new axes and axes of size 1. Operand axis i becomes result axis axes[i]; by default axes are aligned at the right, as in NumPy. */
  broadcast(
    x: Value,
    shape: readonly number[],
    axes: readonly number[] = x.shape.map((_, i) => shape.length - x.shape.length + i),
  ): Value {
    return sameShape(x.shape, shape) ? x : this.emit1('broadcast', [x], { shape, axes })
  }
  slice(
    x: Value,
    starts: readonly number[],
    limits: readonly number[],
    strides: readonly number[] = starts.map(() => 1),
  ): Value {
    return this.emit1('slice', [x], { starts, limits, strides })
  }
  pad(
    x: Value,
    low: readonly number[],
    high: readonly number[],
    value = 0,
    interior: readonly number[] = low.map(() => 0),
  ): Value {
    return this.emit1('pad', [x], { low, high, interior, value })
  }
  concatenate(values: readonly Value[], axis: number): Value {
    return this.emit1('concatenate', values, { axis })
  }
  reverse(x: Value, axes: readonly number[]): Value {
    return this.emit1('reverse', [x], { axes })
  }
  gather(x: Value, indices: Value, axis: number): Value {
    return this.emit1('gather', [x, indices], { axis })
  }
  oneHot(indices: Value, depth: number, dtype: DType = 'float32'): Value {
    return this.emit1('oneHot', [indices], { depth, dtype })
  }

  // Reductions. An empty list of axes reduces nothing.
  reduceSum(x: Value, axes: readonly number[], keepDims = false, resultDtype: Float | null = null): Value {
    return axes.length === 0 && resultDtype === null ? x : this.emit1('reduceSum', [x], { axes, keepDims, resultDtype })
  }
  reduceMax(x: Value, axes: readonly number[], keepDims = false): Value {
    return this.emit1('reduceMax', [x], { axes, keepDims })
  }
  mean(x: Value, axes: readonly number[], keepDims = false, resultDtype: Float | null = null): Value {
    return this.emit1('mean', [x], { axes, keepDims, resultDtype })
  }
  variance(x: Value, axes: readonly number[], keepDims = false, resultDtype: Float | null = null): Value {
    return this.emit1('variance', [x], { axes, keepDims, resultDtype })
  }

  // Contractions.
  matmul(a: Value, b: Value, options: Partial<OpAttrs<'matmul'>> = {}): Value {
    return this.emit1('matmul', [a, b], { transposeA: false, transposeB: false, resultDtype: null, ...options })
  }
  conv2d(x: Value, kernel: Value, options: ConvOptions = {}): Value {
    return this.emit1('conv2d', [x, kernel], convAttrs(options))
  }
  depthwiseConv2d(x: Value, kernel: Value, options: ConvOptions = {}): Value {
    return this.emit1('depthwiseConv2d', [x, kernel], convAttrs(options))
  }
  maxPool2d(x: Value, options: WindowAttrs): Value {
    return this.emit1('maxPool2d', [x], options)
  }
  avgPool2d(x: Value, options: WindowAttrs): Value {
    return this.emit1('avgPool2d', [x], options)
  }

  // Composites.
  silu(x: Value): Value {
    return this.emit1('silu', [x], {})
  }
  softmax(x: Value, axis = x.shape.length - 1): Value {
    return this.emit1('softmax', [x], { axis })
  }
  logSoftmax(x: Value, axis = x.shape.length - 1): Value {
    return this.emit1('logSoftmax', [x], { axis })
  }

  /** The path of new nodes, `blocks.3/se`. */
  abstract readonly path: string

  /** An emitter into the same graph at another path. */
  abstract emitterAt(path: string): OpEmitter

  /**
   * Adds the nodes of `body`, replaces its inputs by `operands`, and returns its outputs in order. Bodies have no variables and no captures.
   * `pathOf` gives the path for each node of the body; '' means the path of this emitter.
   */
  inline(body: Graph, operands: readonly Value[], pathOf: (id: NodeId) => string = () => ''): readonly Value[] {
    return inlineInto(this, body, operands, pathOf)
  }

  /** Converts both operands to one shape and one dtype. A number takes the other operand's. */
  private aligned(a: Value | number, b: Value | number): readonly [Value, Value] {
    if (typeof a === 'number' && typeof b === 'number')
      throw new EffuseError({ code: 'EF111', message: 'at least one operand must be a tensor, got two numbers' })
    if (typeof a === 'number') return [this.like(b as Value, a), b as Value]
    if (typeof b === 'number') return [a, this.like(a, b)]
    if (sameShape(a.shape, b.shape)) return [a, b]
    const shape = broadcastShape(a.shape, b.shape)
    // The op rejects them; its error has the path, both types and the call site.
    if (shape === null) return [a, b]
    return [this.broadcast(a, shape), this.broadcast(b, shape)]
  }
}

export interface ConvOptions {
  readonly strides?: Pair | number | undefined
  readonly padding?: Padding | undefined
  readonly dilations?: Pair | number | undefined
  readonly resultDtype?: Float | null | undefined
}
export const pairOf = (value: Pair | number): Pair => (typeof value === 'number' ? [value, value] : value)
const convAttrs = (options: ConvOptions): ConvAttrs => ({
  strides: pairOf(options.strides ?? 1),
  padding: options.padding ?? 'same',
  dilations: pairOf(options.dilations ?? 1),
  resultDtype: options.resultDtype ?? null,
})
