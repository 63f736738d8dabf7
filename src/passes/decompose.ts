/** Replaces composites by their decompositions, until none is left that the backend cannot run. */
import { bodyNodesMax, bodySize, bodyTooLarge } from '../ir/body-size.ts'
import { Edit, passError } from '../ir/edit.ts'
import { liveOrder } from '../ir/graph.ts'
import type { AmpClass } from '../ir/op-def.ts'
import { opDef, opNames } from '../ir/ops/index.ts'
import type { OpName } from '../ir/signatures.ts'
import { elements, type Graph, type Node, type NodeId } from '../ir/types.ts'
import type { Value } from '../ir/value.ts'
import { type EqualNodes, equalNodes } from './equal-nodes.ts'
import { definePass, type GraphPass } from './pass.ts'

/**
 * The pass that decomposes every node for which `wanted` is true. It ends, because a composite may decompose into other composites (cross-entropy into
 * log-softmax), but not into itself. It goes one level down in each round, and decomposes only the first of equal users' composites: if a body applies
 * another composite twice to the same operands, and so on down, the work does not double with each level.
 *
 * @throws EffuseError EF303 if such an op has no decomposition, EF305 if the result has too many nodes.
 */
export const decompose = (wanted: (node: Node) => boolean): GraphPass =>
  definePass({
    name: 'decompose',
    summary: 'composites into primitives',
    phase: 'lower',
    preserves: 'rounding',
    run: (graph, cx) => {
      let current = graph
      for (;;) {
        const nodes = liveOrder(current).filter(wanted)
        if (nodes.length === 0) return current
        // The levels of other composites are few. What equals them is left to the pass cse.
        const users = nodes.filter(isComposite)
        const equal = users.length < 2 ? none : equalNodes(current)
        checkSize(graph, current, users, equal)
        current = decomposeLevel(current, nodes, equal, (what) => cx.report(what))
      }
    },
  })
const none: EqualNodes = new Map()
const isComposite = (node: Node): node is Node<'composite'> => node.op === 'composite'

/** Which nodes of the named ops; without options all of them. */
export interface DecomposeOptions {
  /** Only where a result has more elements. */
  readonly above?: number | undefined
  /** Decompose only users' composites of these classes for mixed precision. */
  readonly classes?: readonly AmpClass[] | undefined
  /** Names of users' composites that are kept. */
  readonly except?: readonly string[] | undefined
  /** Nodes that have a kernel on the device, and that are kept. Not in the text form: other machines do not know the kernel. */
  readonly isKept?: ((node: Node) => boolean) | undefined
}

/** The same for these ops; its text form names them, so that it can be replayed. */
export const decomposeOps = (
  ops: readonly OpName[],
  { above = 0, classes, except = [], isKept = () => false }: DecomposeOptions = {},
): GraphPass => {
  const named = new Set(ops)
  const isLarge = ({ types }: Node): boolean => types.some(({ shape }) => elements(shape) > above)
  const isSpared = (node: Node): boolean =>
    isKept(node) ||
    (node.op === 'composite' && (classes?.includes(node.attrs.amp) === false || except.includes(node.attrs.name)))
  const pass = decompose((node) => named.has(node.op) && isLarge(node) && !isSpared(node))
  return definePass({
    ...pass,
    options: {
      ops,
      ...(above === 0 ? {} : { above }),
      ...(classes === undefined ? {} : { classes }),
      ...(except.length === 0 ? {} : { except }),
    },
  })
}

/** The composites for which a table of lowerings has no entry. */
export const compositesWithout = (table: { readonly [K in OpName]?: unknown }): readonly OpName[] =>
  opNames.filter((op) => opDef(op).level === 'composite' && table[op] === undefined)

/** @throws EffuseError EF305 if the next level would give too many nodes beside those of the graph itself. @param declared The graph before the first one */
const checkSize = (declared: Graph, current: Graph, users: readonly Node<'composite'>[], equal: EqualNodes): void => {
  let added = liveOrder(current).length - liveOrder(declared).length
  for (const { id, attrs } of users) if (!equal.has(id)) added += attrs.body.nodes.length
  if (added <= bodyNodesMax) return
  // Composites that the user knows come first, but fusions hide them.
  const [largest] = [...liveOrder(declared).filter(isComposite), ...users].sort(
    (a, b) => bodySize(b.attrs.body) - bodySize(a.attrs.body),
  )
  if (largest !== undefined) throw bodyTooLarge(largest)
}

const decomposeLevel = (
  graph: Graph,
  nodes: readonly Node[],
  equal: EqualNodes,
  report: (what: string) => void,
): Graph => {
  const edit = new Edit(graph, 'decompose')
  const done = new Map<NodeId, readonly Value[]>()
  const resultsOf = (node: Node): readonly Value[] => {
    const { decompose: rule } = opDef(node.op)
    if (rule === undefined) throw passError(node, `${node.op} has no decomposition`)
    const b = edit.emitter(node)
    const inputs = node.inputs.map((ref) => edit.value(ref, b))
    return rule({ inputs, attrs: node.attrs, types: node.types, b })
  }
  for (const node of nodes) {
    const same = done.get(equal.get(node.id) ?? node.id)
    const results = same ?? resultsOf(node)
    done.set(node.id, results)
    results.forEach((value, port) => edit.replaceUses({ id: node.id, port }, value))
    edit.remove(node.id)
    report(same === undefined ? node.op : 'shared')
  }
  return edit.commit()
}
