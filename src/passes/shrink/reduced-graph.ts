/** Makes a smaller copy of a graph: fewer results, values that are inputs instead of computed, smaller sizes. */
import { EffuseError } from '../../ir/diagnostics.ts'
import { findNode, liveOrder, refKey, sameRef, typeOf } from '../../ir/graph.ts'
import { makeNode } from '../../ir/make-node.ts'
import { rootTables, setSideTables, sideTables } from '../../ir/side-tables.ts'
import type { OpAttrs } from '../../ir/signatures.ts'
import {
  nodeId,
  type Graph,
  type Node,
  type NodeId,
  type Output,
  type Ref,
  type Type,
  type Update,
} from '../../ir/types.ts'
import { verify } from '../../ir/verify.ts'

/** The replacement of a value that is no longer computed: an input, one number for all elements, or an operand's value of the same type. */
export type Stand =
  | { readonly kind: 'input' }
  | { readonly kind: 'number'; readonly value: 0 | 1 }
  | { readonly kind: 'value'; readonly ref: Ref }

export interface Reduction {
  readonly outputs: readonly Output[]
  readonly updates: readonly Update[]
  /** By the value's key. */
  readonly stands?: ReadonlyMap<number, Stand> | undefined
  /** Replaces this axis size by another one everywhere. */
  readonly size?: { readonly from: number; readonly to: number } | undefined
}

/** The reduced graph; null if it would not be well-formed. */
export const reducedGraph = (graph: Graph, reduction: Reduction): Graph | null => {
  try {
    const reduced = rebuilt(graph, reduction)
    return verify(reduced).length === 0 ? reduced : null
  } catch (error) {
    // An op rejects its new operand types.
    if (error instanceof EffuseError) return null
    throw error
  }
}

const rebuilt = (graph: Graph, { outputs, updates, stands = new Map(), size }: Reduction): Graph => {
  const resolved = (ref: Ref): Ref => {
    const stand = stands.get(refKey(ref))
    return stand?.kind === 'value' && !sameRef(stand.ref, ref) ? resolved(stand.ref) : ref
  }
  const order = liveOrder(graph)
  const needed = neededValues(order, outputs, updates, stands, resolved)
  const made: Node[] = []
  const placed = new Map<number, Ref>()
  const names = new Set(order.flatMap((node) => (node.op === 'input' ? [node.attrs.name] : [])))
  const add = (
    op: Node['op'],
    inputs: readonly Ref[],
    attrs: OpAttrs,
    path: string,
    declared: readonly Type[],
  ): Node => {
    const types = inputs.map(({ id, port }) => made[id]?.types[port] as Type) // operands are placed before
    const node = makeNode({ id: nodeId(made.length), op, inputs, attrs, path }, types, declared)
    made.push(node)
    return node
  }
  for (const node of order) {
    const own = node.types.map((_, port) => ({ id: node.id, port })).filter((ref) => needed.has(refKey(ref)))
    for (const ref of own) {
      const stand = stands.get(refKey(ref))
      if (stand === undefined || stand.kind === 'value') continue
      const type = resized(typeOf(graph, ref), size)
      const { id } =
        stand.kind === 'input'
          ? add('input', [], { name: freeName(names) }, '', [type])
          : add('constant', [], { value: stand.value }, '', [type])
      placed.set(refKey(ref), { id, port: 0 })
    }
    if (own.every((ref) => placed.has(refKey(ref)))) continue
    const inputs = node.inputs.map((ref) => placed.get(refKey(resolved(ref))) as Ref) // operands come first in the order
    const { id } = add(
      node.op,
      inputs,
      resizedAttrs(node.attrs, size),
      node.path,
      node.types.map((type) => resized(type, size)),
    )
    for (const ref of own) if (!placed.has(refKey(ref))) placed.set(refKey(ref), { id, port: ref.port })
  }
  const at = (ref: Ref): Ref => placed.get(refKey(resolved(ref))) as Ref // all roots are needed
  const small = {
    name: graph.name,
    nodes: made,
    inputs: made.flatMap((node): readonly NodeId[] => (node.op === 'input' ? [node.id] : [])),
    outputs: outputs.map(({ name, value }) => ({ name, value: at(value) })),
    updates: updates.map(({ variable, value }) => ({ variable: at({ id: variable, port: 0 }).id, value: at(value) })),
  }
  return setSideTables(Object.freeze(small), rootTables(sideTables(graph).constants))
}

/** Keys of the values that the results are computed from. */
const neededValues = (
  order: readonly Node[],
  outputs: readonly Output[],
  updates: readonly Update[],
  stands: ReadonlyMap<number, Stand>,
  resolved: (ref: Ref) => Ref,
): ReadonlySet<number> => {
  const roots = [...outputs, ...updates].map(({ value }) => value)
  const needed = new Set(roots.map((ref) => refKey(resolved(ref))))
  for (const { variable } of updates) needed.add(refKey({ id: variable, port: 0 }))
  for (const node of order.toReversed()) {
    const isComputed = node.types.some((_, port) => {
      const key = refKey({ id: node.id, port })
      return needed.has(key) && !stands.has(key)
    })
    if (isComputed) for (const ref of node.inputs) needed.add(refKey(resolved(ref)))
  }
  return needed
}

const freeName = (names: Set<string>): string => {
  let n = 0
  while (names.has(`p${n}`)) n++
  names.add(`p${n}`)
  return `p${n}`
}

const resized = (type: Type, size: Reduction['size']): Type =>
  size === undefined ? type : { dtype: type.dtype, shape: resizedShape(type.shape, size) }
const resizedShape = (shape: readonly number[], { from, to }: NonNullable<Reduction['size']>): readonly number[] =>
  shape.map((n) => (n === from ? to : n))

/** Attributes that are shapes. */
const shapeAttrs: ReadonlySet<string> = new Set(['shape', 'inputShape', 'filterShape', 'limits'])
const resizedAttrs = (attrs: OpAttrs, size: Reduction['size']): OpAttrs =>
  size === undefined
    ? attrs
    : (Object.fromEntries(
        Object.entries(attrs).map(([name, value]) => [
          name,
          shapeAttrs.has(name) ? resizedShape(value as readonly number[], size) : value, // makeNode checks it
        ]),
      ) as OpAttrs)

/** Values that nodes up to a position pass to later nodes, or give as results. If the graph is cut there, they are the first part's results. */
export const frontier = (graph: Graph, order: readonly Node[], end: number): readonly Ref[] => {
  const before = new Set(order.slice(0, end).map(({ id }) => id))
  const found = new Map<number, Ref>()
  const roots = [...graph.outputs, ...graph.updates].map(({ value }) => value)
  for (const ref of [...order.slice(end).flatMap(({ inputs }) => inputs), ...roots])
    if (before.has(ref.id) && !isSource(findNode(graph, ref.id))) found.set(refKey(ref), ref)
  return [...found.values()]
}

/** Nodes without operands: they compute nothing. */
export const isSource = (node: Node | null): boolean => node === null || node.inputs.length === 0
