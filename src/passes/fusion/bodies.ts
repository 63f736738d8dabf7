/**
 * Equal regions of a graph share the nodes of their bodies, so each body is built, checked and lowered once. Each region still has its own body graph
 * around these nodes, with the paths and origins of its own nodes in side tables.
 */
import { makeConstantPool } from '../../ir/constants.ts'
import { exactJson } from '../../ir/exact-json.ts'
import { refKey, typeOf } from '../../ir/graph.ts'
import { setSideTables, sideTables } from '../../ir/side-tables.ts'
import { type Graph, type Node, type NodeId, type Ref, showType } from '../../ir/types.ts'
import type { Facts } from './facts.ts'

/** A region before it is built. */
export interface RegionText {
  /** Equal texts mean equal bodies. */
  readonly text: string
  /** The nodes that the region computes, operands first. */
  readonly nodes: readonly Node[]
}

/** `operands` are values from outside. The members, and the free nodes that they read, are listed in execution order. */
export const regionText = (
  facts: Facts,
  members: readonly number[],
  operands: readonly Ref[],
  results: readonly Ref[],
): RegionText => {
  const nodes: Node[] = []
  const names = new Map<number, string>()
  let text = ''
  for (const [i, ref] of operands.entries()) {
    names.set(refKey(ref), `x${i}`)
    text += `${showType(typeOf(facts.graph, ref))} `
  }
  const nameOf = (ref: Ref): string => {
    if (!names.has(refKey(ref))) compute(facts.positionOf(ref.id))
    return names.get(refKey(ref)) as string // it was computed above, or is an operand
  }
  const compute = (at: number): void => {
    const node = facts.nodes[at] as Node
    const inputs = node.inputs.map(nameOf).join()
    const name = `${nodes.push(node)}`
    node.types.forEach((_, port) => names.set(refKey({ id: node.id, port }), `${name}.${port}`))
    text += `${node.op}(${inputs})${exactJson(node.attrs)}${node.types.map(showType).join()}\n`
  }
  for (const at of members) if (!names.has(refKey({ id: (facts.nodes[at] as Node).id, port: 0 }))) compute(at)
  return { text: text + results.map(nameOf).join(), nodes }
}

/** A body that further regions may share. For each of its nodes: the index of the region's node that it was made from; -1: an operand. */
interface SharedBody {
  readonly body: Graph
  readonly order: readonly number[]
}

export class Bodies {
  readonly #known = new Map<string, SharedBody>()

  /** Lets further regions with this text share the body, which was built for this region. */
  add({ text, nodes }: RegionText, body: Graph): void {
    const places = new Map(nodes.map(({ id }, at) => [id, at]))
    const { origin } = sideTables(body)
    const order = body.nodes.map((_, at) => {
      const id = origin(at as NodeId)?.from[0] // in a body, the position is the id
      return id === undefined ? -1 : (places.get(id) ?? -1)
    })
    this.#known.set(text, { body, order })
  }

  /** A body for a region that equals an earlier one; null if there is none. `label`: the name of the region in origins. */
  find({ text, nodes }: RegionText, label: string): Graph | null {
    const known = this.#known.get(text)
    if (known === undefined) return null
    const sources = known.order.map((at) => nodes[at] ?? null)
    return setSideTables(Object.freeze({ ...known.body }), {
      constants: makeConstantPool(),
      callSite: () => null,
      origin: (at) => {
        const source = sources[at] ?? null
        return source === null ? null : { from: [source.id], label }
      },
      path: (at) => sources[at]?.path ?? '',
    })
  }
}
