/**
 * The bodies of regions. Equal regions of a graph share the nodes of their bodies, so each body is built, checked and lowered once. Each region still
 * has its own body graph around these nodes, with the paths and origins of its own nodes in side tables.
 *
 * A body is built from nodes that are checked already, so it takes their attributes and types as they are. The verifier checks it with the graph.
 */
import { makeConstantPool } from '../../ir/constants.ts'
import { attrsJson } from '../../ir/exact-json.ts'
import { refKey, typeOf } from '../../ir/graph.ts'
import { freezeDeep } from '../../ir/make-node.ts'
import { bodyName } from '../../ir/ops/region/shared.ts'
import { setSideTables } from '../../ir/side-tables.ts'
import { type Graph, type Node, type NodeId, nodeId, type Ref, showType, type Type } from '../../ir/types.ts'
import type { Facts } from './facts.ts'

/** A region before it is built. */
export interface RegionPlan {
  /** Values from outside, in the order in which a walk from the results reaches them. So equal regions have equal bodies. */
  readonly operands: readonly Ref[]
  /** The types of the operands. */
  readonly types: readonly Type[]
  /** The nodes that the region computes, in the order of the same walk, operands first. Free nodes that members read are among them. */
  readonly nodes: readonly Node[]
  readonly results: readonly Ref[]
  /** The value of the body that stands for an operand, or for the value of a node. */
  inBody(ref: Ref): Ref
}

export const planRegion = (facts: Facts, members: readonly number[], results: readonly Ref[]): RegionPlan => {
  const inside = new Set(members)
  const operands: Ref[] = []
  const nodes: Node[] = []
  /** The places of operands, by refKey. */
  const operandPlaces = new Map<number, number>()
  const places = new Map<NodeId, number>()
  const visit = (id: NodeId, at: number): void => {
    if (places.has(id)) return
    places.set(id, -1)
    const node = facts.nodes[at] as Node
    for (const ref of node.inputs) {
      const from = facts.positionOf(ref.id)
      if (inside.has(from) || facts.roles[from] === 'free') visit(ref.id, from)
      else if (!operandPlaces.has(refKey(ref))) operandPlaces.set(refKey(ref), operands.push(ref) - 1)
    }
    places.set(id, nodes.push(node) - 1)
  }
  for (const { id } of results) visit(id, facts.positionOf(id))
  const inBody = (ref: Ref): Ref => {
    const operand = operandPlaces.get(refKey(ref))
    return operand === undefined
      ? { id: nodeId(operands.length + (places.get(ref.id) as number)), port: ref.port } // the walk reached it
      : { id: nodeId(operand), port: 0 }
  }
  return { operands, types: operands.map((ref) => typeOf(facts.graph, ref)), nodes, results, inBody }
}

export class Bodies {
  /** Bodies by their text: equal texts mean equal bodies. */
  readonly #known = new Map<string, Graph>()

  /** The body of a region, which shares the nodes of an equal one. `label`: the name of the region in origins. */
  bodyOf(plan: RegionPlan, label: string): Graph {
    const text = textOf(plan)
    const known = this.#known.get(text)
    const body = known === undefined ? buildBody(plan) : Object.freeze({ ...known })
    if (known === undefined) this.#known.set(text, body)
    const first = plan.operands.length
    const source = (at: NodeId): Node | null => plan.nodes[at - first] ?? null // null: an operand
    return setSideTables(body, {
      constants: makeConstantPool(),
      callSite: () => null,
      origin: (at) => {
        const node = source(at)
        return node === null ? null : { from: [node.id], label }
      },
      path: (at) => source(at)?.path ?? '',
    })
  }
}

const textOf = ({ types, nodes, results, inBody }: RegionPlan): string => {
  const nameOf = (ref: Ref): string => {
    const { id, port } = inBody(ref)
    return `${id}.${port}`
  }
  let text = types.map(showType).join(' ')
  for (const { op, inputs, attrs, types: own } of nodes)
    text += `\n${op}(${inputs.map(nameOf).join()})${attrsJson(attrs)}${own.map(showType).join()}`
  return `${text}\n${results.map(nameOf).join()}`
}

const buildBody = ({ types, nodes, results, inBody }: RegionPlan): Graph => {
  const inputs = types.map((type, at) => ({
    id: nodeId(at),
    op: 'input' as const,
    inputs: [],
    attrs: { name: String(at) },
    types: [type],
    path: '',
  }))
  const inner = nodes.map(
    (node, at) => ({ ...node, id: nodeId(inputs.length + at), inputs: node.inputs.map(inBody), path: '' }) as Node, // same op and attributes
  )
  return freezeDeep<Graph>({
    name: bodyName,
    nodes: [...inputs, ...inner],
    inputs: inputs.map(({ id }) => id),
    outputs: results.map((ref, at) => ({ name: String(at), value: inBody(ref) })),
    updates: [],
  })
}
