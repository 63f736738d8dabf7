/** Replaces clusters in a graph by regions, in one edit. */
import { Edit } from '../../ir/edit.ts'
import { nodesOf, refKey, rootKeys, usesOf } from '../../ir/graph.ts'
import type { Graph, Node, Ref } from '../../ir/types.ts'
import type { Value } from '../../ir/value.ts'
import { Bodies, planRegion } from './bodies.ts'
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
  const results = members.filter(isResult).flatMap((at): readonly Ref[] => usedValues(facts.graph, nodeOf(at)))
  const plan = planRegion(facts, members, results)
  const operands = plan.operands.map((ref) => edit.resolve(ref))
  const { path } = nodeOf(mainOf(facts, heroes) ?? facts.positionOf((results.at(-1) as Ref).id)) // a region has results
  const body = bodies.bodyOf(plan, kind)
  const regions = edit.addAll('fusion', operands, { kind, body }, members.map(nodeOf), path)
  results.forEach((ref, i) => edit.replaceUses(ref, regions[i] as Value)) // a value for each output of the body
}

/** The values of a node of which at least one is used. */
const usedValues = (graph: Graph, { id, types }: Node): readonly Ref[] => {
  const values = types.map((_, port): Ref => ({ id, port }))
  const isUsed = (ref: Ref): boolean => usesOf(graph).has(refKey(ref)) || rootKeys(graph).has(refKey(ref))
  return values.length === 1 ? values : values.filter(isUsed)
}

/** The hero with the most work; null if there is none. */
const mainOf = ({ flops }: Facts, heroes: readonly number[]): number | null =>
  heroes.reduce<number | null>(
    (most, node) => (most === null || (flops[node] as number) > (flops[most] as number) ? node : most),
    null,
  )
