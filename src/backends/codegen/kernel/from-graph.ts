/**
 * Lowers a graph of primitive ops to a kernel. The lowering starts from the coordinates of each result: an elementwise op becomes an expression, and
 * an op that moves elements changes the coordinates at which its operand is read. Ops that combine many elements (heroes.ts) add accumulators, and
 * may get a phase of their own.
 */
import { EffuseError, invariant } from '../../../ir/diagnostics.ts'
import { liveOrder, nodeAt, refKey, rootsOf } from '../../../ir/graph.ts'
import { stridesOf } from '../../../ir/ops/shape.ts'
import { sideTables } from '../../../ir/side-tables.ts'
import { elements, type Graph, type Node, type Ref, type Type } from '../../../ir/types.ts'
import { isElementwise, isHero, typeAt } from './graph-values.ts'
import type { Hero, HeroArgs, HeroOp } from './hero.ts'
import { heroes } from './heroes.ts'
import type { Coordinate, Kernel, KernelBuffer, Linear, Phase } from './kernel.ts'
import { coordinatesOf, divided, fixed, scaled, sum } from './linear.ts'
import { PhaseBuilder } from './phase-builder.ts'
import type { PhaseGroup } from './phase-groups.ts'
import { planPhases } from './plan-phases.ts'
import { reshapedPosition } from './reshape.ts'

/** A kernel, and the buffer number of each operand and result of its graph. */
export interface LoweredKernel {
  readonly kernel: Kernel
  /** Buffer numbers by the id of the input or variable node. */
  readonly operands: ReadonlyMap<number, number>
  /** Buffer numbers of the outputs, then of the updates, in graph order. */
  readonly results: readonly number[]
}

/** @throws EffuseError EF405 where an op is not primitive */
export const kernelOf = (graph: Graph): LoweredKernel => new KernelLowering(graph).lower()

/** What the lowering provides to heroes. */
export interface Source {
  /** The expression of an operand's element at these coordinates. */
  pull(ref: Ref, at: readonly Position[], p: PhaseBuilder): number
  typeOf(ref: Ref): Type
  /** A new buffer that later phases can read. */
  temporary(type: Type): number
  /** The buffer that `make` fills in separate phases. Calls with the same key share one buffer. */
  once(key: string, make: () => number): number
  addPhase(p: PhaseBuilder): void
}

/** A position along one dimension. */
export type Position = Coordinate['at']

class KernelLowering implements Source {
  readonly #graph: Graph
  readonly #buffers: KernelBuffer[] = []
  readonly #phases: Phase[] = []
  /** Values that are stored in a buffer. */
  readonly #stored = new Map<number, number>()
  readonly #made = new Map<string, number>()
  /** The phase under construction, and the values that are already known at its point. */
  #current: { readonly p: PhaseBuilder; readonly known: Map<number, number> } | null = null

  constructor(graph: Graph) {
    this.#graph = graph
  }

  lower(): LoweredKernel {
    const graph = this.#graph
    const operands = new Map<number, number>()
    for (const node of liveOrder(graph)) {
      if (node.op === 'input' || node.op === 'variable') {
        const buffer = this.#buffer(typeAt(node, 0), 'operand')
        operands.set(node.id, buffer)
        this.#stored.set(refKey({ id: node.id, port: 0 }), buffer)
      } else if (node.op === 'constant' && typeof node.attrs.value !== 'number') this.#literal(node)
    }
    const roots = rootsOf(graph)
    const results = roots.map(() => -1)
    for (const group of planPhases(graph))
      this.#store(group, (ref) => {
        const own = roots.flatMap((root, i) => (refKey(root) === refKey(ref) ? [i] : []))
        for (const i of own) results[i] = this.#buffer(this.typeOf(ref), 'result')
        return own.length === 0 ? [this.temporary(this.typeOf(ref))] : own.map((i) => results[i] as number)
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
    const key = refKey(ref)
    const known = this.#current?.p === p ? this.#current.known.get(key) : undefined
    if (known !== undefined && p.isAtPoint(at, shape)) return known
    const buffer = this.#stored.get(key)
    if (buffer !== undefined) return p.load(buffer, coordinatesOf(at, shape), dtype)
    // If each value of a chain is used twice, computing it for each use would double the work with each value.
    const place = key + JSON.stringify(at)
    const computed = p.pulled.get(place) ?? this.#computed(ref, at, p)
    p.pulled.set(place, computed)
    return computed
  }

  #computed(ref: Ref, at: readonly Position[], p: PhaseBuilder): number {
    const { dtype, shape } = this.typeOf(ref)
    const node = nodeAt(this.#graph, ref.id)
    if (isElementwise(node)) {
      // The condition of a select may be one flag for all elements.
      const args = node.inputs.map((input) => this.pull(input, this.typeOf(input).shape.length === 0 ? [] : at, p))
      return p.op(node.op, args, dtype, node.attrs)
    }
    const isExpensive = isHero(node) || node.op === 'randomUniform'
    if (isExpensive && !p.areResults(at, shape)) return this.#loaded(ref, at, p)
    const position = at.map(linearOf)
    return isHero(node) ? this.#hero(node, ref.port, position, p) : this.#moved(node, position, p)
  }

  /** Loads the value from the buffer that another phase stores. For values that cannot be computed at this position. */
  #loaded(ref: Ref, at: readonly Position[], p: PhaseBuilder): number {
    const { dtype, shape } = this.typeOf(ref)
    return p.load(this.#inMemory(ref), coordinatesOf(at, shape), dtype)
  }

  #inMemory(ref: Ref): number {
    const key = refKey(ref)
    const { shape } = this.typeOf(ref)
    if (!this.#stored.has(key)) this.#store({ shape, values: [ref] }, () => [this.temporary(this.typeOf(ref))])
    return this.#stored.get(key) as number // #store has set it
  }

  once(key: string, make: () => number): number {
    const buffer = this.#made.get(key) ?? make()
    this.#made.set(key, buffer)
    return buffer
  }

  #moved(node: Node, at: readonly Linear[], p: PhaseBuilder): number {
    const [type] = node.types as readonly [Type] // an op with several results is a hero
    const [first] = node.inputs as readonly [Ref] // only ops with operands reach this function
    switch (node.op) {
      case 'constant':
        invariant(typeof node.attrs.value === 'number', () => 'a constant list is stored as a literal')
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
      case 'reshape':
        return this.#reshaped(node, at, p)
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
        const [x, indices] = node.inputs as readonly [Ref, Ref] // a gather has two operands
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
    const [type] = node.types as readonly [Type] // a concatenation has one result
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
    }, null) as number // a concatenation has at least one operand
  }

  /**
   * Where the dimensions of the two shapes cannot be split into common factors, the operand is stored. Its elements have the same row-major order.
   */
  #reshaped(node: Node<'reshape'>, at: readonly Linear[], p: PhaseBuilder): number {
    const [type] = node.types as readonly [Type] // a reshape has one result
    const [first] = node.inputs as readonly [Ref] // a reshape has one operand
    const from = reshapedPosition(at, this.typeOf(first).shape, type.shape, p)
    if (from !== null) return this.pull(first, from, p)
    if (at.some(({ divisor }) => divisor !== 1)) return this.#loaded({ id: node.id, port: 0 }, at, p)
    const strides = stridesOf(type.shape)
    const flat = sum(at.map((x, i) => scaled(x, strides[i] as number)))
    return p.load(this.#inMemory(first), [{ at: flat, size: elements(type.shape) }], type.dtype)
  }

  #hero(node: Node<HeroOp>, port: number, at: readonly Linear[], p: PhaseBuilder): number {
    const lower = heroes[node.op] as Hero<'topK'> // the table's entry belongs to this op; TypeScript cannot relate the two
    return lower({ ...node, port, at } as object as HeroArgs<'topK'>, this, p)
  }

  /** Adds the phase that stores these values. `buffersOf` gives the new buffers of each value. */
  #store({ shape, values }: PhaseGroup, buffersOf: (ref: Ref) => readonly number[]): void {
    const [outer, p] = [this.#current, new PhaseBuilder(shape)]
    const known = new Map<number, number>()
    this.#current = { p, known }
    const made = values.map((ref) => {
      const isLeaf = this.#stored.has(refKey(ref))
      const value = isLeaf ? this.pull(ref, p.point(), p) : this.#computed(ref, p.point(), p)
      known.set(refKey(ref), value)
      const buffers = buffersOf(ref)
      for (const buffer of buffers) p.store(buffer, coordinatesOf(p.point(), shape), value)
      return [refKey(ref), buffers[0] as number] as const
    })
    this.addPhase(p)
    for (const [key, buffer] of made) if (!this.#stored.has(key)) this.#stored.set(key, buffer)
    this.#current = outer
  }

  #literal(node: Node<'constant'>): void {
    const { value } = node.attrs
    const type = typeAt(node, 0)
    const numbers = value as Exclude<typeof value, number> // the caller has excluded numbers
    const data = 'sha256' in numbers ? sideTables(this.#graph).constants.get(numbers.sha256).data : numbers
    const buffer = this.#buffer(type, 'literal', [...data])
    this.#stored.set(refKey({ id: node.id, port: 0 }), buffer)
  }

  #buffer({ dtype, shape }: Type, role: KernelBuffer['role'], data: readonly number[] | null = null): number {
    this.#buffers.push({ dtype, shape, role, data })
    return this.#buffers.length - 1
  }
}

const linearOf = (x: Position): Linear => {
  invariant(x.kind === 'linear', () => 'the operand of a gather is stored in a buffer')
  return x
}
