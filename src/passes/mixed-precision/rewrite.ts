/**
 * Applies an assignment. Nodes with ports that become half are replaced. A value that is needed in the other type gets one relaxed cast, shared
 * by all users of that type. Nothing else changes: a value that stays float32 stays the same node.
 */
import { Edit } from '../../ir/edit.ts'
import { liveOrder, nodeAt, nodesOf, refKey, typeOf } from '../../ir/graph.ts'
import type { OpAttrs } from '../../ir/signatures.ts'
import type { Graph, Node, NodeId, Ref, Type } from '../../ir/types.ts'
import { narrowedLiteral, isNarrowing, isStaticMovement, isWidening } from './statics.ts'
import type { AmpSettings } from './options.ts'
import type { Assignment } from './port-graph.ts'
import { hasResultDtype, type DecidedPorts, type PrecisionProblem } from './problem.ts'
import { seenThrough, writtenCasts } from './written-casts.ts'
import { normalForm } from '../../ir/body.ts'
import { regionGraph } from '../../ir/region.ts'
import { sideTables } from '../../ir/side-tables.ts'
import type { Value } from '../../ir/value.ts'

/** The graph with the assignment applied; the same graph if nothing changes. */
export const applyAssignment = (
  graph: Graph,
  problem: PrecisionProblem,
  isHalf: Assignment,
  settings: AmpSettings,
  halvedBody: (body: Graph) => Graph,
): Graph => {
  const edit = new Edit(graph, 'amp')
  const values = halfValues(edit, problem, isHalf, settings)
  const replaced: Node[] = []
  for (const node of liveOrder(graph)) {
    if (isNarrowing(graph, node, settings.dtype)) {
      if (values.dropCast(node)) replaced.push(node)
      continue
    }
    if (isWidening(graph, node, settings.dtype)) {
      if (values.shareWidening(node)) replaced.push(node)
      continue
    }
    const ports: DecidedPorts[] = (problem.decided.get(node.id) ?? []).filter(
      ({ vertex }) => isHalf[vertex] === true && problem.ports.vertices[vertex]?.isHalf === false,
    )
    const reader = problem.readers.get(node.id)
    if (reader?.inputs.some((i) => values.isComputed(node.inputs[i] as Ref)) === true)
      ports.push({ ...reader, vertex: -1, result: null }) // no vertex decides on it
    if (ports.length === 0) continue
    turnHalf(edit, node, ports, values, isHalf, settings, halvedBody)
    replaced.push(node)
  }
  removeReplaced(edit, graph, replaced)
  return edit.commit()
}

/** The half copies of values, by the node that makes them, and the nodes that are added for them. */
interface HalfValues {
  /** The value in half: the node that computes it in half, a literal, or one cast for all users. */
  of(ref: Ref): Ref
  /** `made` computes the value in half. Users in float32 share one cast. */
  set(ref: Ref, made: Ref): void
  /** True if `set` was called for the value. */
  isComputed(ref: Ref): boolean
  /** True if a declared cast is no longer needed: its operand is now half, or another cast does the same. */
  dropCast(node: Node<'cast'>): boolean
  /** True if another cast widens the same value. */
  shareWidening(node: Node<'cast'>): boolean
}

const halfValues = (
  edit: Edit,
  { ports, decided }: PrecisionProblem,
  isHalf: Assignment,
  { dtype, strict }: AmpSettings,
): HalfValues => {
  const graph = edit.base
  const known = new Map<number, Ref>()
  const computed = new Set<number>()
  const widened = new Map<number, Ref>()
  const written = writtenCasts(graph, dtype)
  const isWantedWide = floatUsers(ports, isHalf)
  const madeBefore = (ref: Ref): Ref | null =>
    typeOf(graph, ref).dtype === dtype ? ref : (known.get(refKey(ref)) ?? written.narrowed(ref))
  const made = (ref: Ref): Ref => {
    const node = nodeAt(graph, ref.id)
    return node.op === 'constant'
      ? narrowedLiteral(edit, node, dtype)
      : isStaticMovement(graph, node, dtype)
        ? edit.add(node.op, node.inputs.map(of), node.attrs, node)
        : edit.add('cast', [ref], { to: dtype, relaxed: !strict }, node)
  }
  const of = (given: Ref): Ref => {
    // Operands first, with a stack: static movement ops are computed in half, and their chains may be long.
    const waiting = [seenThrough(graph, given, dtype)]
    for (let ref = waiting.at(-1); ref !== undefined; ref = waiting.at(-1)) {
      const node = nodeAt(graph, ref.id)
      const operands =
        madeBefore(ref) === null && isStaticMovement(graph, node, dtype)
          ? node.inputs.map((operand) => seenThrough(graph, operand, dtype)).filter((x) => madeBefore(x) === null)
          : []
      if (operands.length > 0) waiting.push(...operands)
      else {
        if (madeBefore(ref) === null) known.set(refKey(ref), made(ref))
        waiting.pop()
      }
    }
    const ref = seenThrough(graph, given, dtype)
    return madeBefore(ref) as Ref // made above
  }
  return {
    of,
    isComputed: (ref) => computed.has(refKey(ref)),
    set: (ref, made) => {
      known.set(refKey(ref), made)
      computed.add(refKey(ref))
      const node = nodeAt(graph, ref.id)
      const maker = decided.get(ref.id)?.find(({ outputs }) => outputs.includes(ref.port))
      if (maker === undefined || !isWantedWide.has(maker.result ?? maker.vertex)) return
      edit.replaceUses(ref, written.widened(ref) ?? edit.add('cast', [made], { to: 'float32', relaxed: !strict }, node))
    },
    dropCast: (node) => {
      const [operand] = node.inputs
      const own: Ref = { id: node.id, port: 0 }
      // A literal's cast stays; another pass folds it.
      if (operand === undefined || nodeAt(graph, operand.id).op === 'constant') return false
      const half = of(operand)
      if (half.id === own.id) return false
      edit.replaceUses(own, half)
      return true
    },
    shareWidening: (node) => {
      const [operand] = node.inputs
      if (operand === undefined) return false
      const key = refKey(operand)
      const first = widened.get(key)
      if (first === undefined) widened.set(key, { id: node.id, port: 0 })
      else edit.replaceUses({ id: node.id, port: 0 }, first)
      return first !== undefined
    },
  }
}

/** Nodes whose value has a user in float32. */
const floatUsers = ({ edges }: PrecisionProblem['ports'], isHalf: Assignment): ReadonlySet<number> =>
  new Set(edges.filter(({ to }) => to.some((user) => isHalf[user] !== true)).map(({ from }) => from))

/** Replaces the node by one with half operands and results at the given ports. */
const turnHalf = (
  edit: Edit,
  node: Node,
  ports: readonly DecidedPorts[],
  values: HalfValues,
  isHalf: Assignment,
  settings: AmpSettings,
  halvedBody: (body: Graph) => Graph,
): void => {
  const inputs = node.inputs.map((ref, i) => (ports.some((p) => p.inputs.includes(i)) ? values.of(ref) : ref))
  const isWide = ports.some(({ result }) => result !== null && isHalf[result] !== true)
  const made = edit.addAll(node.op, inputs, attrsInHalf(edit, node, ports, isWide, settings, halvedBody), node)
  node.types.forEach((_, port) => {
    const ref: Ref = { id: node.id, port }
    const value = made[port]
    if (value === undefined) return
    if (value.dtype === settings.dtype && typeOf(edit.base, ref).dtype === 'float32') values.set(ref, value)
    else edit.replaceUses(ref, value)
  })
}

const attrsInHalf = (
  edit: Edit,
  node: Node,
  ports: readonly DecidedPorts[],
  isWide: boolean,
  settings: AmpSettings,
  halvedBody: (body: Graph) => Graph,
): OpAttrs => {
  if (hasResultDtype(node)) return { ...node.attrs, resultDtype: isWide ? 'float32' : null }
  const [first] = ports
  return node.op === 'composite' && first !== undefined
    ? { ...node.attrs, body: halfBody(edit, node, first, settings, halvedBody) }
    : node.attrs
}

/** Removes the replaced nodes, and nodes that were already dead, because they may still use replaced nodes. */
const removeReplaced = (edit: Edit, graph: Graph, replaced: readonly Node[]): void => {
  if (replaced.length === 0) return
  const live = new Set<NodeId>(liveOrder(graph).map((n) => n.id))
  for (const node of nodesOf(graph)) if (!live.has(node.id)) edit.remove(node.id)
  for (const node of replaced) edit.remove(node.id)
}

/**
 * The body with half types at the decided ports.
 * @param halved Mixed precision on the body; called unless the composite is wide.
 */
export const halfBody = (
  edit: Edit,
  node: Node<'composite'>,
  ports: DecidedPorts,
  settings: AmpSettings,
  halved: (body: Graph) => Graph,
): Graph => {
  const { body } = node.attrs
  const { dtype, strict } = settings
  const types = node.inputs.map((ref, i): Type => {
    const type = typeOf(edit.base, ref)
    return ports.inputs.includes(i) ? { ...type, dtype } : type
  })
  const castAtEnds = (operands: readonly Value[], b: Value['builder']): readonly Value[] => {
    const inner = operands.map((x, i) => (ports.inputs.includes(i) ? b.cast(x, 'float32', !strict) : x))
    return b
      .inline(body, inner, sideTables(body).path)
      .map((y, i) => (ports.outputs.includes(i) ? b.cast(y, dtype, !strict) : y))
  }
  const ended = regionGraph(node.attrs.name, types, castAtEnds, node.path)
  return normalForm(ports.class === 'wide' ? ended : halved(ended))
}
