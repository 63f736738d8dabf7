/** The values of a graph while it is lowered into a function. Broadcasts and splats become nodes only where a node needs every element. */
import { invariant } from '../../ir/diagnostics.ts'
import { nodeAt, nodesOf, refKey } from '../../ir/graph.ts'
import { streamKey } from '../../ir/philox.ts'
import { sideTables } from '../../ir/side-tables.ts'
import { elements, type Graph, type Node, type Ref, sameShape, type Type } from '../../ir/types.ts'
import { attr } from './attributes.ts'
import type { FunctionBuilder } from './function-builder.ts'
import type { HalfKernels } from './half-kernels.ts'
import { concatenated, sliced, withAxes } from './lower/movement.ts'
import type { KeptByBatchNorm, KernelForms, Scope, SwishForm } from './lowering.ts'
import type { TfValue } from './types.ts'

/** The state that all graphs of one function share. */
export interface FunctionState {
  readonly f: FunctionBuilder
  readonly contractions: Set<string>
  readonly biased: Set<string>
  readonly batchNorms: Map<string, KeptByBatchNorm>
  readonly halfKernels: HalfKernels
  /** Whether TensorFlow may fuse activations with the sums before them, which loses NaN. */
  readonly mayLoseNan: boolean
  readonly forms: KernelForms
  readonly matrices: Map<string, TfValue>
  /** The operand that random streams depend on, int32 [4]: seed, run index (low and high word), replica. The first call adds it. */
  readonly runArgument: () => TfValue
}

interface ScopeOptions {
  readonly capture?: (ref: Ref) => TfValue
  /** The first part of the names of nodes. A region has one, because its ids are not those of the graph around it. */
  readonly prefix?: string
}

export class GraphScope {
  readonly graph: Graph
  readonly state: FunctionState
  readonly #values = new Map<number, TfValue>()
  /** Returns a value of the surrounding function. Null if the graph is not in a branch of a conditional. */
  readonly #capture: ((ref: Ref) => TfValue) | null

  readonly #prefix: string
  #withGradient: ReadonlySet<number> | null = null

  constructor(graph: Graph, state: FunctionState, { capture, prefix = '' }: ScopeOptions = {}) {
    this.graph = graph
    this.state = state
    this.#capture = capture ?? null
    this.#prefix = prefix
  }

  /**
   * The first part of the names of all nodes that compute the node; errors.ts parses it. Casts of mixed precision have another form, so that a test can
   * count them.
   */
  nameOf(node: Node): string {
    return this.#isAmpCast(node) ? `amp/${this.#prefix}${node.id}` : `${this.#prefix}n${node.id}`
  }

  #isAmpCast(node: Node): boolean {
    if (node.op !== 'cast') return false
    return node.attrs.relaxed || sideTables(this.graph).origin(node.id)?.label === 'amp'
  }

  define(ref: Ref, value: TfValue): void {
    this.#values.set(refKey(ref), value)
  }

  /** The value with all its elements. */
  value(ref: Ref): TfValue {
    const key = refKey(ref)
    const known = this.#values.get(key)
    if (known !== undefined) return known
    const node = nodeAt(this.graph, ref.id)
    const made = isMadeOnDemand(node) ? this.#make(node) : this.#capture?.(ref)
    invariant(made !== undefined, () => `value ${ref.id}.${ref.port} of ${this.graph.name} was not lowered`)
    this.#values.set(key, made)
    return made
  }

  /** What a lowering may know of the graph around the node. */
  around(node: Node): Scope {
    let repeating: readonly TfValue[] | null = null
    return {
      repeating: (at) => {
        repeating ??= this.#repeating(node)
        return repeating[at] as TfValue // one for each operand
      },
      repeatedVector: (at) => this.#repeatedVector(node.inputs[at] as Ref),
      contractions: this.state.contractions,
      biased: this.state.biased,
      batchNorms: this.state.batchNorms,
      halfKernels: this.state.halfKernels,
      mayLoseNan: this.state.mayLoseNan,
      swishForm: () => this.#swishForm(node),
      forms: this.state.forms,
      matrices: this.state.matrices,
      philox: (stream) => this.#philox(stream),
    }
  }

  /** The operands before they are repeated. If their common shape is smaller than the result's, the first one is returned with all its elements. */
  #repeating(node: Node): readonly TfValue[] {
    const shape = node.types[0]?.shape ?? []
    const small = node.inputs.map((ref) => this.#small(ref))
    const together = shape.map((_, axis) =>
      Math.max(...small.map((x) => (x.shape.length === 0 ? 1 : (x.shape[axis] as number)))),
    )
    if (sameShape(together, shape)) return small
    return small.map((x, at) => (at === 0 ? this.value(node.inputs[0] as Ref) : x))
  }

  #small(ref: Ref): TfValue {
    const node = nodeAt(this.graph, ref.id)
    if (node.op === 'constant' && typeof node.attrs.value === 'number')
      return this.state.f.scalar((node.types[0] as Type).dtype, node.attrs.value)
    const [source] = node.inputs
    if (node.op !== 'broadcast' || source === undefined) return this.value(ref)
    const { axes, shape } = node.attrs
    const operand = nodeAt(this.graph, source.id)
    // The op repeats a scalar operand to any shape, so its broadcast is not needed.
    const x = operand.types[source.port]?.shape.length === 0 ? this.#small(source) : this.value(source)
    return x.shape.length === 0 ? x : withAxes(x, axes, shape.length, this.state.f)
  }

  #swishForm(node: Node): SwishForm {
    const { swish } = this.state.forms
    const [operand] = node.inputs
    const shape = node.types[0]?.shape ?? []
    if (!swish.recomputesSigmoid && operand !== undefined && this.#gradientOperands().has(refKey(operand)))
      return 'apart'
    return shape.length === 4 && (shape[0] as number) < swish.imagesLeast ? 'alone' : 'withConvolution'
  }

  /** The operands whose swish has a gradient in the graph. */
  #gradientOperands(): ReadonlySet<number> {
    this.#withGradient ??= new Set(
      nodesOf(this.graph).flatMap(({ op, inputs: [x] }) =>
        op === 'siluGradient' && x !== undefined ? [refKey(x)] : [],
      ),
    )
    return this.#withGradient
  }

  #repeatedVector(ref: Ref): TfValue | null {
    const node = nodeAt(this.graph, ref.id)
    const [source] = node.inputs
    if (node.op !== 'broadcast' || source === undefined) return null
    const { axes, shape } = node.attrs
    const x = nodeAt(this.graph, source.id).types[source.port]
    const isVector = axes.length === 1 && axes[0] === shape.length - 1 && x?.shape[0] === shape.at(-1)
    return isVector ? this.value(source) : null
  }

  #make(node: Node<'broadcast'> | Node<'constant'>): TfValue {
    const { f } = this.state
    const [{ dtype, shape }] = node.types as readonly [Node['types'][number]] // both ops have one result
    return f.named(this.nameOf(node), () => {
      if (node.op === 'broadcast') {
        const [source] = node.inputs as readonly [Ref] // its arity
        return f.broadcastTo(withAxes(this.value(source), node.attrs.axes, shape.length, f), shape)
      }
      const { value } = node.attrs
      if (typeof value === 'number') return f.broadcastTo(withAxes(f.scalar(dtype, value), [], shape.length, f), shape)
      invariant(Array.isArray(value), () => 'a constant in the side tables must be an operand of the function')
      return f.constant(dtype, shape, value)
    })
  }

  /**
   * Key and counter as ir/philox.ts orders their words: key (seed, stream), counter (element, run low, run high, replica). Two words of 32 bits make one
   * uint64.
   */
  #philox(stream: string): ReturnType<Scope['philox']> {
    const { f } = this.state
    const run = this.state.runArgument()
    const word = (at: number, size: number): TfValue =>
      sliced(run, { starts: [at], limits: [at + size], strides: [1] }, f)
    const joined = (parts: readonly TfValue[]): TfValue => {
      const size = parts.reduce((sum, { shape }) => sum + elements(shape), 0)
      const words = concatenated(parts, 0, { dtype: 'int32', shape: [size] }, f)
      const pairs = f.reshape(words, [size / 2, 2])
      return f.op('Bitcast', [pairs], { type: attr.type('uint64') }, { dtype: 'uint64', shape: [size / 2] })
    }
    return {
      key: joined([word(0, 1), f.ints([streamKey(stream) | 0])]),
      counter: joined([f.ints([0]), word(1, 3)]),
    }
  }
}

type MadeOnDemand = Node<'broadcast'> | Node<'constant'>

/** Nodes that are lowered only when a node needs all their elements. Most users take a smaller form, which saves memory. */
export const isMadeOnDemand = (node: Node): node is MadeOnDemand =>
  node.op === 'broadcast' || (node.op === 'constant' && !isBeside(node))

/** Is it a constant whose numbers are in the side tables of the graph? */
export const isBeside = ({ attrs: { value } }: Node<'constant'>): boolean =>
  typeof value === 'object' && 'sha256' in value
