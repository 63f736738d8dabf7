/**
 * Static values: values that depend on variables and literals alone. Arithmetic on them stays float32, because variables are float32. Their half
 * copies are cast once and do not count as casts of activations. Movement of static values is ignored: a cast before it has the same effect.
 */
import { cached, liveOrder, refKey, typeOf } from '../../ir/graph.ts'
import { opDef } from '../../ir/ops/index.ts'
import { type Graph, type Node, type NodeId, type Ref, isFloat, type Half } from '../../ir/types.ts'
import type { Edit } from '../../ir/edit.ts'
import { formats, roundTo } from '../../ir/rounding.ts'
import type { ConstantValue } from '../../ir/signatures.ts'
import { sideTables } from '../../ir/side-tables.ts'
import type { Value } from '../../ir/value.ts'

/** The nodes that depend on variables and literals alone. */
export const staticNodes = (graph: Graph): ReadonlySet<NodeId> =>
  cached(known, graph, (g) => {
    const found = new Set<NodeId>()
    for (const node of liveOrder(g)) {
      const isSource = node.op === 'variable' || node.op === 'constant' || node.op === 'iota'
      if (isSource || (node.inputs.length > 0 && node.inputs.every((ref) => found.has(ref.id)))) found.add(node.id)
    }
    return found
  })
const known = new WeakMap<Graph, ReadonlySet<NodeId>>()

/** Ops that only rearrange or repeat their operand: the same elements in any type. */
const isMovement = (node: Node): boolean => {
  const { fusion } = opDef(node.op)
  return node.inputs.length > 0 && (fusion === 'movement' || fusion === 'broadcast')
}

/** Movement of static values. It is computed in half if its result is needed in half. */
export const isStaticMovement = (graph: Graph, node: Node, dtype: Half): boolean =>
  staticNodes(graph).has(node.id) && isMovement(node) && attrFault(node, dtype) === null

/** A cast that widens a value declared in the half type. The half value represents its result. */
export const isWidening = (graph: Graph, node: Node, dtype: Half): node is Node<'cast'> =>
  node.op === 'cast' && node.attrs.to === 'float32' && operandDtype(graph, node) === dtype

/** A declared cast to the half type. */
export const isNarrowing = (graph: Graph, node: Node, dtype: Half): node is Node<'cast'> =>
  node.op === 'cast' && node.attrs.to === dtype && operandDtype(graph, node) === 'float32'

const operandDtype = (graph: Graph, node: Node): string | null => {
  const [x] = node.inputs
  return x === undefined ? null : typeOf(graph, x).dtype
}

/**
 * The values that a use of `ref` depends on, through widening casts and static movement. A literal gives none, because it can have any type.
 */
export const sourcesOf = (graph: Graph, ref: Ref, dtype: Half): readonly Ref[] =>
  seenThroughOf(graph, dtype).get(ref.id)?.sources ?? [ref]

/** The reason why an operand cannot be half for any user: a literal, possibly moved, that half cannot represent. */
export const operandFault = (graph: Graph, ref: Ref, dtype: Half): string | null =>
  seenThroughOf(graph, dtype).get(ref.id)?.fault ?? null

interface SeenThrough {
  readonly sources: readonly Ref[]
  readonly fault: string | null
}

/**
 * The nodes that represent other values. One walk for all of them, operands first: chains of movement may be long, and a value that is repeatedly
 * sliced and concatenated has more paths back than there are nodes.
 */
const seenThroughOf = (graph: Graph, dtype: Half): ReadonlyMap<NodeId, SeenThrough> =>
  cached(seenThroughBy[dtype], graph, (g) => {
    const found = new Map<NodeId, SeenThrough>()
    const statics = staticNodes(g)
    for (const node of liveOrder(g)) {
      const operands = node.inputs.map((ref) => found.get(ref.id) ?? { sources: [ref], fault: null })
      const isMoved = statics.has(node.id) && isMovement(node)
      const fault = isMoved
        ? (firstOf(operands, (operand) => operand.fault) ?? attrFault(node, dtype))
        : sourceFault(g, node, dtype)
      const sources =
        node.op === 'constant'
          ? []
          : isWidening(g, node, dtype) || isStaticMovement(g, node, dtype)
            ? distinct(operands.flatMap((operand) => operand.sources))
            : [{ id: node.id, port: 0 }]
      if (fault !== null || sources[0]?.id !== node.id) found.set(node.id, { sources, fault })
    }
    return found
  })
const seenThroughBy: { readonly [D in Half]: WeakMap<Graph, ReadonlyMap<NodeId, SeenThrough>> } = {
  float16: new WeakMap(),
  bfloat16: new WeakMap(),
}

const distinct = (refs: readonly Ref[]): readonly Ref[] =>
  refs.length < 2 ? refs : [...new Map(refs.map((ref) => [refKey(ref), ref])).values()]

/** The reason why a node's attributes do not fit into half. */
export const attrFault = (node: Node, dtype: Half): string | null =>
  node.op === 'pad' ? literalFault(dtype, node.attrs.value) : null

/** The first answer that is not null. */
export const firstOf = <T, R>(list: readonly T[], ask: (item: T) => R | null): R | null => {
  for (const item of list) {
    const answer = ask(item)
    if (answer !== null) return answer
  }
  return null
}

/**
 * The reason why a number must stay float32; null if half can represent it, rounded. A literal is never clamped. It stays float32 if it is beyond
 * the largest number (65504 in float16), or so small that it would become 0, which would be wrong as a divisor.
 */
export const literalFault = (dtype: Half, value: number): string | null => {
  if (!Number.isFinite(value) || value === 0) return null
  if (Math.abs(value) > formats[dtype].max) return `${value} is beyond ${formats[dtype].max}`
  return roundTo(dtype, value) === 0 ? `${value} would become 0` : null
}

/** Integers up to here are exact, the next one is not. */
const exactMax = (dtype: Half): number => 2 ** formats[dtype].precision

/** The numbers of a constant. */
const numbersOf = (graph: Graph, value: ConstantValue): ArrayLike<number> =>
  typeof value === 'number' ? [value] : 'sha256' in value ? sideTables(graph).constants.get(value.sha256).data : value

/** The reason why a constant or iota must stay float32, or null. Indices are half only if half represents them exactly. */
export const sourceFault = (graph: Graph, node: Node, dtype: Half): string | null => {
  if (node.op === 'iota')
    return isFloat(node.attrs.dtype) && (node.attrs.shape[node.attrs.axis] ?? 0) > exactMax(dtype) + 1
      ? `indices beyond ${exactMax(dtype)} are not exact`
      : null
  if (node.op !== 'constant') return null
  for (const value of Array.from(numbersOf(graph, node.attrs.value))) {
    const fault = literalFault(dtype, value)
    if (fault !== null) return fault
  }
  return null
}

/** The literal in half. Its numbers are not rounded, because the mode float64 ignores half types. */
export const narrowedLiteral = (edit: Edit, node: Node<'constant'>, dtype: Half): Value => {
  const shape = node.types[0]?.shape ?? []
  const { value } = node.attrs
  const b = edit.emitter(node)
  return typeof value === 'object' && 'sha256' in value
    ? b.literal({ dtype, shape }, Float32Array.from(numbersOf(edit.base, value)))
    : b.emit1('constant', [], { value }, [{ dtype, shape }])
}
