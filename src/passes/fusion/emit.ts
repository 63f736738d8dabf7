/** Replaces clusters in a graph by regions, in one edit. */
import { Edit } from '../../ir/edit.ts'
import { nodesOf, refKey, rootKeys, usesOf } from '../../ir/graph.ts'
import { emitRegion } from '../../ir/region.ts'
import type { Builder } from '../../ir/build.ts'
import type { Graph, Node, Ref } from '../../ir/types.ts'
import type { Value } from '../../ir/value.ts'
import { invariant } from '../../ir/diagnostics.ts'
import { Bodies, regionText } from './bodies.ts'
import type { Cluster, Clusters } from './clusters.ts'
import type { Facts } from './facts.ts'
import type { Sketch } from './sketch.ts'

/** @param isRegion Which clusters become regions. The nodes of other clusters stay. */
export const emitRegions = (
  facts: Facts,
  clusters: Clusters,
  sketchOf: (cluster: Cluster) => Sketch,
  isRegion: (cluster: Cluster) => boolean,
): Graph => {
  const edit = new Edit(facts.graph, 'fusion')
  const bodies = new Bodies()
  for (const cluster of clusters.all()) {
    if (!isRegion(cluster)) continue
    emitOne(
      edit,
      bodies,
      facts,
      cluster,
      sketchOf(cluster),
      (node) => clusters.owns(cluster, node) && clusters.isResult(node),
    )
    for (const node of cluster.members) if (clusters.owns(cluster, node)) edit.remove((facts.nodes[node] as Node).id)
  }
  // Regions have copies of some nodes. Dead nodes may read nodes that were removed.
  for (const { id } of nodesOf(facts.graph)) {
    const at = facts.positionOf(id)
    if (at < 0 || facts.roles[at] === 'free' || clusters.isCopied(at)) edit.remove(id)
  }
  return edit.commit()
}

const emitOne = (
  edit: Edit,
  bodies: Bodies,
  facts: Facts,
  { members }: Cluster,
  { kind, heroes }: Sketch,
  isResult: (node: number) => boolean,
): void => {
  const nodeOf = (at: number): Node => facts.nodes[at] as Node
  const results = members
    .filter(isResult)
    .flatMap((at) => nodeOf(at).types.map((_, port): Ref => ({ id: nodeOf(at).id, port })))
    .filter((ref) => usesOf(facts.graph).has(refKey(ref)) || rootKeys(facts.graph).has(refKey(ref)))
  const operands = operandsOf(facts, members, results)
  const b = edit.emitter(
    members.map(nodeOf),
    nodeOf(mainOf(facts, heroes) ?? facts.positionOf((results.at(-1) as Ref).id)).path,
  )
  const values = operands.map((ref) => edit.value(edit.resolve(ref), b))
  const text = regionText(facts, members, operands, results)
  const known = bodies.find(text, kind)
  const regions =
    known === null
      ? emitRegion(b, 'fusion', values, { kind }, (inputs, inner) =>
          buildBody(
            facts,
            members,
            results,
            new Map(operands.map((ref, i) => [refKey(ref), inputs[i] as Value])),
            inner,
          ),
        )
      : b.emit('fusion', values, { kind, body: known })
  const { attrs } = edit.node((regions[0] as Value).id) as Node<'fusion'> // it was just added; a region has results
  // A body is not shared if its literals became operands.
  if (known === null && attrs.body.inputs.length === operands.length) bodies.add(text, attrs.body)
  results.forEach((ref, i) => edit.replaceUses(ref, regions[i] as Value)) // emitRegion may add operands, but no results
}

/** The hero with the most work; null if there is none. */
const mainOf = ({ flops }: Facts, heroes: readonly number[]): number | null =>
  heroes.reduce<number | null>(
    (most, node) => (most === null || (flops[node] as number) > (flops[most] as number) ? node : most),
    null,
  )

/** The values from outside, in the order in which a walk from the results reaches them. So equal regions have equal bodies. */
const operandsOf = (facts: Facts, members: readonly number[], results: readonly Ref[]): readonly Ref[] => {
  const operands = new Map<number, Ref>()
  const inside = new Set(members)
  const done = new Set<number>()
  const visit = ({ id }: Ref): void => {
    const at = facts.positionOf(id)
    if (done.has(at)) return
    done.add(at)
    for (const ref of (facts.nodes[at] as Node).inputs) {
      const from = facts.positionOf(ref.id)
      if (inside.has(from) || facts.roles[from] === 'free') visit(ref)
      else operands.set(refKey(ref), ref)
    }
  }
  results.forEach(visit)
  return [...operands.values()]
}

const buildBody = (
  facts: Facts,
  members: readonly number[],
  results: readonly Ref[],
  known: Map<number, Value>,
  b: Builder,
): readonly Value[] => {
  const valueAt = (ref: Ref): Value => {
    const at = facts.positionOf(ref.id)
    if (!known.has(refKey(ref)) && facts.roles[at] === 'free') emit(at)
    const value = known.get(refKey(ref))
    invariant(value !== undefined, () => `fusion: ${facts.nodes[at]?.op} is read before it is computed`)
    return value
  }
  const emit = (at: number): void => {
    const node = facts.nodes[at] as Node
    const inputs = node.inputs.map(valueAt)
    const made = b.onBehalfOf([node], () => b.emit(node.op, inputs, node.attrs, node.types))
    made.forEach((value, port) => known.set(refKey({ id: node.id, port }), value))
  }
  for (const at of members) emit(at)
  return results.map(valueAt)
}
