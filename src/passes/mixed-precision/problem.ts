/**
 * Makes the abstract problem from a graph. Vertices: one per port class of a node; one for the result of a contraction that may stay float32;
 * one per node for ports that keep their type; one per output and update. Vertices that no strategy may change are settled here, with a reason.
 */
import { liveOrder, namedUpdates, nodeAt, refKey, typeOf } from '../../ir/graph.ts'
import type { TargetInfo } from '../../ir/target.ts'
import { elements, type Graph, type Node, type NodeId, type Ref } from '../../ir/types.ts'
import { portsOf, type NodePorts } from './classes.ts'
import type { AmpSettings } from './options.ts'
import type { Edge, PortGraph, Vertex } from './port-graph.ts'
import { makeRules, nameOf, type Rules } from './settled.ts'
import { isNarrowing, isStaticMovement, isWidening, sourcesOf, staticNodes } from './statics.ts'
import { writtenCasts } from './written-casts.ts'

/** The ports of a node with the vertices that decide on them. */
export interface DecidedPorts extends NodePorts {
  readonly vertex: number
  /** The separate vertex of the result, if it may be wide. */
  readonly result: number | null
}

/** What a vertex represents. */
export interface Place {
  /** Null for outputs and updates. */
  readonly node: Node | null
  /** The reason why no strategy decides on it; null if a strategy decides. */
  readonly reason: string | null
}

export interface PrecisionProblem {
  readonly ports: PortGraph
  /** By vertex. */
  readonly places: readonly Place[]
  /** By node: only ports that can become half. */
  readonly decided: ReadonlyMap<NodeId, readonly DecidedPorts[]>
  /** By node: ports that need no decision: they have no result, and read one value (besides literals) in any type. */
  readonly readers: ReadonlyMap<NodeId, NodePorts>
  /** Literals that half cannot represent, a sentence each. */
  readonly warnings: readonly string[]
}

/** The problem for a graph. It ignores float types other than float32 and the chosen half type. */
export const precisionProblem = (graph: Graph, settings: AmpSettings, target: TargetInfo): PrecisionProblem => {
  const statics = staticNodes(graph)
  const classes = new Map(liveOrder(graph).map((node) => [node.id, portsOf(graph, node, settings, target)] as const))
  const draft = makeDraft(statics)
  const rules = makeRules(graph, settings, classes)
  const decided = new Map<NodeId, readonly DecidedPorts[]>()
  const readers = new Map<NodeId, NodePorts>()
  const surroundings = { ...settings, ...target }
  for (const node of liveOrder(graph)) {
    if (statics.has(node.id)) continue
    const own = classes.get(node.id) ?? []
    const reader = own.find((ports) => isReader(graph, node, ports, settings, rules))
    if (reader !== undefined) readers.set(node.id, reader)
    else decided.set(node.id, decidedPorts(graph, node, own, surroundings, draft, rules))
  }
  addUses(graph, settings, decided, readers, draft)
  return { ports: draft.finish(), places: draft.places, decided, readers, warnings: rules.warnings() }
}

/**
 * Whether these are the ports of a finite check, a comparison with a literal, or an argMax. They read the value in the type in which it is
 * computed. If a strategy decided, such a reader could use a half copy that others need, and see an infinity that the value does not have.
 */
const isReader = (graph: Graph, node: Node, ports: NodePorts, { dtype }: AmpSettings, rules: Rules): boolean => {
  if (ports.class !== 'clear' || ports.outputs.length > 0) return false
  const read = ports.inputs.flatMap((i) => sourcesOf(graph, node.inputs[i] as Ref, dtype)) // indices of operands
  const type = ports.inputs.map((i) => typeOf(graph, node.inputs[i] as Ref).dtype)
  return read.length === 1 && type.every((t) => t === 'float32') && rules.reasonFor(node, ports) === null
}

// --- Vertices and edges under construction.

interface Draft {
  readonly places: Place[]
  addVertex(vertex: Omit<Vertex, 'id'>, place: Place): number
  /** The vertex of the ports of a node that keep their type. */
  fixed(node: Node, isHalf: boolean): number
  /** Vertex `user` uses the value with this key. `edge` is called at its first use. */
  addUse(key: number, edge: () => Omit<Edge, 'to'>, user: number): void
  finish(): PortGraph
}

const makeDraft = (statics: ReadonlySet<NodeId>): Draft => {
  const vertices: Vertex[] = []
  const places: Place[] = []
  const fixed = new Map<number, number>()
  const edges = new Map<number, Omit<Edge, 'to'> & { readonly to: number[] }>()
  const addVertex = (vertex: Omit<Vertex, 'id'>, place: Place): number => {
    vertices.push({ id: vertices.length, ...vertex })
    places.push(place)
    return vertices.length - 1
  }
  return {
    places,
    addVertex,
    fixed: (node, isHalf) => {
      const key = 2 * node.id + (isHalf ? 1 : 0)
      const known = fixed.get(key)
      if (known !== undefined) return known
      const of = { name: nameOf(node), op: node.op, class: 'clear', canBeHalf: false, isHalf } as const
      const id = addVertex(of, { node, reason: isHalf ? 'it is half as written' : fixedReason(node, statics) })
      fixed.set(key, id)
      return id
    },
    addUse: (key, edge, user) => {
      const known = edges.get(key)
      if (known === undefined) edges.set(key, Object.assign(edge(), { to: [user] }))
      else if (known.to.at(-1) !== user) known.to.push(user)
    },
    finish: () => ({ vertices, edges: [...edges.values()].map((edge) => ({ ...edge, to: [...new Set(edge.to)] })) }),
  }
}

const fixedReason = (node: Node, statics: ReadonlySet<NodeId>): string =>
  node.op === 'variable'
    ? 'variables are float32 masters'
    : node.op === 'input'
      ? 'an input has the type that it was declared with'
      : statics.has(node.id)
        ? 'arithmetic on variables alone is float32, as they are'
        : `${node.op} has no half form for these operands and results`

// --- The vertices of a node.

const decidedPorts = (
  graph: Graph,
  node: Node,
  classes: readonly NodePorts[],
  { dtype: half, wideOutputs }: AmpSettings & TargetInfo,
  draft: Draft,
  rules: Rules,
): readonly DecidedPorts[] =>
  classes.flatMap((ports): readonly DecidedPorts[] => {
    const dtypes = new Set<string>(ports.inputs.map((i) => typeOf(graph, node.inputs[i] as Ref).dtype)) // indices of operands
    // The result of a contraction may be declared wide; otherwise it has the operands' type.
    if (dtypes.size === 0 || !hasResultDtype(node))
      for (const i of ports.outputs) dtypes.add(node.types[i]?.dtype ?? '')
    const [dtype] = dtypes
    if (dtypes.size !== 1 || (dtype !== 'float32' && dtype !== half)) return []
    const isHalf = dtype !== 'float32'
    const isWide = hasResultDtype(node) && node.attrs.resultDtype === 'float32'
    const reason = isHalf
      ? 'it is half as written'
      : isWide && !wideOutputs
        ? 'its result is float32 as written, and the machine cannot widen it'
        : rules.reasonFor(node, ports)
    const of = { name: nameOf(node), op: node.op, class: ports.class, isHalf, canBeHalf: reason === null }
    const vertex = draft.addVertex(of, { node, reason })
    if (!ports.canWiden || !(wideOutputs || (isHalf && isWide))) return [{ ...ports, vertex, result: null }]
    const written = isWide ? 'its result is float32 as written' : isHalf ? 'it is half as written' : reason
    const result = draft.addVertex(
      {
        name: `${nameOf(node)}, result`,
        op: node.op,
        class: 'clear',
        isHalf: isHalf && !isWide,
        canBeHalf: written === null,
      },
      { node, reason: written },
    )
    const bytes = 2 * elements(node.types[0]?.shape ?? [])
    // Values have keys from 0 on.
    draft.addUse(-1 - vertex, () => ({ from: vertex, bytes, isFree: true }), result)
    return [{ ...ports, vertex, result }]
  })

type WideNode = Extract<Node, { readonly attrs: { readonly resultDtype: unknown } }>
export const hasResultDtype = (node: Node): node is WideNode => 'resultDtype' in node.attrs

// --- Edges.

/** Every use of a float32 or half value with a decision at one end or both. There is no edge between two vertices that are always float32. */
const addUses = (
  graph: Graph,
  settings: AmpSettings,
  decided: ReadonlyMap<NodeId, readonly DecidedPorts[]>,
  readers: ReadonlyMap<NodeId, NodePorts>,
  draft: Draft,
): void => {
  const { dtype } = settings
  const statics = staticNodes(graph)
  const casts = writtenCasts(graph, dtype)
  const makerOf = (ref: Ref): DecidedPorts | undefined =>
    decided.get(ref.id)?.find(({ outputs }) => outputs.includes(ref.port))
  const addUse = (ref: Ref, user: number): void => {
    for (const source of sourcesOf(graph, ref, dtype)) {
      const edge = (): Omit<Edge, 'to'> => {
        const maker = makerOf(source)
        const type = typeOf(graph, source)
        return {
          from: maker?.result ?? maker?.vertex ?? draft.fixed(nodeAt(graph, source.id), type.dtype === dtype),
          bytes: 2 * elements(type.shape),
          isFree: statics.has(source.id),
          written: casts.kinds(source),
        }
      }
      draft.addUse(refKey(source), edge, user)
    }
  }
  const isDecided = (ref: Ref): boolean =>
    sourcesOf(graph, ref, dtype).some(
      (source) => typeOf(graph, source).dtype === dtype || makerOf(source) !== undefined,
    )
  for (const node of liveOrder(graph)) {
    if (isWidening(graph, node, dtype) || isNarrowing(graph, node, dtype) || isStaticMovement(graph, node, dtype))
      continue
    const own = decided.get(node.id)
    const reader = readers.get(node.id)
    node.inputs.forEach((ref, i) => {
      if (reader?.inputs.includes(i) === true) return
      const of = typeOf(graph, ref).dtype
      if (of !== 'float32' && of !== dtype) return
      const ports = own?.find(({ inputs }) => inputs.includes(i))
      if (ports !== undefined) addUse(ref, ports.vertex)
      else if (isDecided(ref)) addUse(ref, draft.fixed(node, of === dtype))
    })
  }
  const root = (name: string, ref: Ref): void => {
    if (!isDecided(ref)) return
    const isHalf = typeOf(graph, ref).dtype === dtype
    const of = { name, op: 'output', class: 'clear', canBeHalf: false, isHalf } as const
    addUse(
      ref,
      draft.addVertex(of, { node: null, reason: 'outputs and new values of variables have the declared type' }),
    )
  }
  for (const { name, value } of graph.outputs) root(`output ${name}`, value)
  for (const { name, value } of namedUpdates(graph)) root(`update of ${name}`, value)
}
