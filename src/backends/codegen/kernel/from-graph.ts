/**
 * From a graph of primitive ops to a kernel. Each result is computed from its coordinates backwards: elementwise ops become expressions, ops that move
 * elements change the coordinates at which their operand is asked for. Sums and the like (heroes.ts) get phases of their own.
 */
import { EffuseError, invariant } from '../../../ir/diagnostics.ts'
import { liveOrder, nodeAt, refKey, rootsOf, usesOf } from '../../../ir/graph.ts'
import { elementwiseOps } from '../../../ir/ops/elementwise/index.ts'
import { stridesOf } from '../../../ir/ops/shape.ts'
import { sideTables } from '../../../ir/side-tables.ts'
import { elements, type Graph, type Node, type Ref, sameShape, type Type } from '../../../ir/types.ts'
import { type Hero, type HeroArgs, heroes, type HeroOp } from './heroes.ts'
import type { Coordinate, Kernel, KernelBuffer, Linear, Phase, ScalarOp } from './kernel.ts'
import { divided, fixed, scaled, sum } from './linear.ts'
import { PhaseBuilder } from './phase-builder.ts'

/** The kernel, and which buffer each operand and result of the graph is. */
export interface LoweredKernel {
  readonly kernel: Kernel
  /** By the node of the input or variable. */
  readonly operands: ReadonlyMap<number, number>
  /** Outputs, then updates, in their order. */
  readonly results: readonly number[]
}

/** @throws EffuseError EF405 where an op is not primitive. */
export const kernelOf = (graph: Graph): LoweredKernel => new KernelLowering(graph).lower()

/** What heroes may ask of the lowering. */
export interface Source {
  /** Values of an operand at coordinates. */
  pull(ref: Ref, at: readonly Position[], p: PhaseBuilder): number
  typeOf(ref: Ref): Type
  /** A new buffer that later phases read. */
  temporary(type: Type): number
  /** The buffer that `make` fills in phases of its own, made once for all who ask by this key. */
  once(key: string, make: () => number): number
  addPhase(p: PhaseBuilder): void
}

/** A position along one dimension. */
export type Position = Coordinate['at']

class KernelLowering implements Source {
  readonly #graph: Graph
  readonly #buffers: KernelBuffer[] = []
  readonly #phases: Phase[] = []
  /** Values that lie in a buffer. */
  readonly #stored = new Map<number, number>()
  readonly #made = new Map<string, number>()

  constructor(graph: Graph) {
    this.#graph = graph
  }

  lower(): LoweredKernel {
    const graph = this.#graph
    const operands = new Map<number, number>()
    const needed = mustBeStored(graph)
    for (const node of liveOrder(graph)) {
      if (node.op === 'input' || node.op === 'variable') {
        const buffer = this.#buffer(typeAt(node, 0), 'operand')
        operands.set(node.id, buffer)
        this.#stored.set(refKey({ id: node.id, port: 0 }), buffer)
      } else if (node.op === 'constant' && typeof node.attrs.value !== 'number') this.#literal(node)
      else if (needed.has(node.id)) node.types.forEach((_, port) => this.#store({ id: node.id, port }))
    }
    const roots = [...graph.outputs.map(({ value }) => value), ...graph.updates.map(({ value }) => value)]
    const results = roots.map((ref) => {
      const type = this.typeOf(ref)
      const buffer = this.#buffer(type, 'result')
      const p = new PhaseBuilder(type.shape)
      p.store(buffer, coordinatesOf(p.point(), type.shape), this.pull(ref, p.point(), p))
      this.addPhase(p)
      return buffer
    })
    return { kernel: { buffers: this.#buffers, phases: this.#phases }, operands, results }
  }

  typeOf(ref: Ref): Type {
    return typeAt(nodeAt(this.#graph, ref.id), ref.port)
  }

  temporary(type: Type): number {
    return this.#buffer(type, 'temporary')
  }

  addPhase(p: PhaseBuilder): void {
    this.#phases.push(p.finish())
  }

  pull(ref: Ref, at: readonly Position[], p: PhaseBuilder): number {
    const { dtype, shape } = this.typeOf(ref)
    const buffer = this.#stored.get(refKey(ref))
    if (buffer !== undefined) return p.load(buffer, coordinatesOf(at, shape), dtype)
    const node = nodeAt(this.#graph, ref.id)
    if (isElementwise(node)) {
      // The condition of a select may be one flag for all elements.
      const args = node.inputs.map((input) => this.pull(input, this.typeOf(input).shape.length === 0 ? [] : at, p))
      return p.op(node.op, args, dtype, node.attrs)
    }
    if (!isHero(node)) return this.#moved(node, at.map(linearOf), p)
    invariant(p.isAtPoint(at, shape), () => `the result of ${node.op} is asked for elsewhere, and is not stored`)
    return this.#hero(node, ref.port, p)
  }

  once(key: string, make: () => number): number {
    const buffer = this.#made.get(key) ?? make()
    this.#made.set(key, buffer)
    return buffer
  }

  #moved(node: Node, at: readonly Linear[], p: PhaseBuilder): number {
    const [type] = node.types as readonly [Type] // ops with several results are heroes
    const [first] = node.inputs as readonly [Ref] // read by ops with operands alone
    switch (node.op) {
      case 'constant':
        invariant(typeof node.attrs.value === 'number', () => 'a list is a literal')
        return p.constant(node.attrs.value, type.dtype)
      case 'iota':
        return p.cast(p.index(at[node.attrs.axis] as Linear), type.dtype)
      case 'randomUniform': {
        const strides = stridesOf(type.shape)
        return p.random(node.attrs.stream, sum(at.map((x, i) => scaled(x, strides[i] as number))))
      }
      case 'broadcast': {
        const { shape } = this.typeOf(first)
        const from = node.attrs.axes.map((to, i) => (shape[i] === 1 ? fixed(0) : (at[to] as Linear)))
        return this.pull(first, from, p)
      }
      case 'transpose': {
        const from: Linear[] = []
        node.attrs.permutation.forEach((axis, i) => {
          from[axis] = at[i] as Linear
        })
        return this.pull(first, from, p)
      }
      case 'slice': {
        const { starts, strides } = node.attrs
        const from = at.map((x, i) => scaled(x, strides[i] as number, starts[i] as number))
        return this.pull(first, from, p)
      }
      case 'reverse': {
        const { axes } = node.attrs
        const from = at.map((x, i) => (axes.includes(i) ? scaled(x, -1, (type.shape[i] as number) - 1) : x))
        return this.pull(first, from, p)
      }
      case 'reshape': {
        // The operand is stored: its elements lie in the same order.
        const strides = stridesOf(type.shape)
        const flat = sum(at.map((x, i) => scaled(x, strides[i] as number)))
        const buffer = this.#stored.get(refKey(first))
        invariant(buffer !== undefined, () => 'the operand of a reshape is stored')
        return p.load(buffer, [{ at: flat, size: elements(type.shape) }], type.dtype)
      }
      case 'pad': {
        const { shape } = this.typeOf(first)
        const { low, interior, value } = node.attrs
        const from = at.map((x, i) => divided(x, -(low[i] as number), (interior[i] as number) + 1))
        const inside = p.inside(coordinatesOf(from, shape))
        const inner = this.pull(first, from, p)
        return inside === null ? inner : p.op('select', [inside, inner, p.constant(value, type.dtype)], type.dtype)
      }
      case 'concatenate':
        return this.#joined(node, at, p)
      case 'gather': {
        const { axis } = node.attrs
        const [x, indices] = node.inputs as readonly [Ref, Ref] // its arity
        const rank = this.typeOf(indices).shape.length
        const index = this.pull(indices, at.slice(axis, axis + rank), p)
        return this.pull(x, [...at.slice(0, axis), { kind: 'computed', expr: index }, ...at.slice(axis + rank)], p)
      }
      case 'oneHot': {
        const hot = p.op('compare', [this.pull(first, at.slice(0, -1), p), p.index(at.at(-1) as Linear)], 'bool', {
          direction: 'eq',
        })
        return p.cast(hot, type.dtype)
      }
      default:
        throw new EffuseError({
          code: 'EF405',
          path: node.path,
          message: `${node.op} is not a primitive op; the pass decompose takes it apart`,
        })
    }
  }

  #joined(node: Node<'concatenate'>, at: readonly Linear[], p: PhaseBuilder): number {
    const { axis } = node.attrs
    const [type] = node.types as readonly [Type] // one result
    let start = 0
    const parts = node.inputs.map((ref) => {
      const { shape } = this.typeOf(ref)
      const from = at.map((x, i) => (i === axis ? scaled(x, 1, -start) : x))
      start += shape[axis] as number
      return { inside: p.inside(coordinatesOf(from, shape)), value: this.pull(ref, from, p) }
    })
    return parts.reduceRight<number | null>((rest, { inside, value }) => {
      if (rest === null || inside === null) return value
      return p.op('select', [inside, value, rest], type.dtype)
    }, null) as number // a concatenation has an operand
  }

  /** The element of a hero's result at the phase's point. */
  #hero(node: Node<HeroOp>, port: number, p: PhaseBuilder): number {
    const lower = heroes[node.op] as Hero<'topK'> // the entry is for this op; TypeScript does not pair them
    return lower({ ...node, port } as object as HeroArgs<'topK'>, this, p)
  }

  #store(ref: Ref): void {
    const type = this.typeOf(ref)
    const p = new PhaseBuilder(type.shape)
    const value = this.pull(ref, p.point(), p)
    const buffer = this.temporary(type)
    p.store(buffer, coordinatesOf(p.point(), type.shape), value)
    this.addPhase(p)
    this.#stored.set(refKey(ref), buffer)
  }

  #literal(node: Node<'constant'>): void {
    const { value } = node.attrs
    const type = typeAt(node, 0)
    const numbers = value as Exclude<typeof value, number> // the caller has looked
    const data = 'sha256' in numbers ? sideTables(this.#graph).constants.get(numbers.sha256).data : numbers
    const buffer = this.#buffer(type, 'literal', [...data])
    this.#stored.set(refKey({ id: node.id, port: 0 }), buffer)
  }

  #buffer({ dtype, shape }: Type, role: KernelBuffer['role'], data: readonly number[] | null = null): number {
    this.#buffers.push({ dtype, shape, role, data })
    return this.#buffers.length - 1
  }
}

const typeAt = (node: Node, port: number): Type => {
  const type = node.types[port]
  invariant(type !== undefined, () => `${node.op} has no result ${port}`)
  return type
}

export const coordinatesOf = (at: readonly Position[], shape: readonly number[]): readonly Coordinate[] =>
  at.map((x, i) => ({ at: x, size: shape[i] as number }))

const linearOf = (x: Position): Linear => {
  invariant(x.kind === 'linear', () => 'what is gathered from is stored')
  return x
}

const isHero = (node: Node): node is Node<HeroOp> => Object.hasOwn(heroes, node.op)
const isElementwise = (node: Node): node is Node<ScalarOp> => Object.hasOwn(elementwiseOps, node.op)

/**
 * Nodes whose values are stored because of what reads them: a reshape needs the order of elements in memory, a gather may ask for any element, and
 * random numbers and reshapes cannot be asked for at quotients. A hero stays in the phase of its only reader where that asks for the very element.
 */
const mustBeStored = (graph: Graph): ReadonlySet<number> => {
  const stored = new Set<number>()
  for (const node of liveOrder(graph)) {
    const [first] = node.inputs
    if ((node.op === 'reshape' || node.op === 'gather') && first !== undefined) stored.add(first.id)
    if (node.op === 'reshape' || node.op === 'randomUniform') stored.add(node.id)
    if (isHero(node) && !staysInPhase(graph, node)) stored.add(node.id)
  }
  return stored
}

/** Does every reader, through elementwise ops of the same shape, lead to one output? */
const staysInPhase = (graph: Graph, hero: Node): boolean => {
  const roots = rootsOf(graph)
  for (let node = hero; ; ) {
    if (node.types.length > 1) return false
    const key = refKey({ id: node.id, port: 0 })
    const isRoot = roots.filter((ref) => refKey(ref) === key).length
    const uses = usesOf(graph).get(key) ?? []
    if (isRoot + uses.length !== 1) return false
    const [use] = uses
    if (use === undefined) return true
    if (!isElementwise(use.node) || !sameShape(typeAt(use.node, 0).shape, typeAt(node, 0).shape)) return false
    node = use.node
  }
}
