/**
 * Sibling fusion: fuses kernels that read the same value and iterate over the same elements, although neither reads the other. The value is then read
 * once. It applies to loops over one shape, and to reductions of one shape along the same axes.
 */
import { elements } from '../../ir/types.ts'
import { typeOf } from '../../ir/graph.ts'
import type { Node, Ref } from '../../ir/types.ts'
import { type Candidates, readersMax } from './candidates.ts'
import type { Cluster, Clusters } from './clusters.ts'
import type { Facts } from './facts.ts'

export const fuseSiblings = (
  facts: Facts,
  clusters: Clusters,
  candidates: Candidates,
  report: (what: string, count?: number) => void,
): void => {
  for (const at of facts.nodes.keys()) {
    const readers = clusters.readersOfValue(at)
    if (readers.length < 2 || readers.length > readersMax) continue
    const bySpace = new Map<string, Cluster[]>()
    for (const reader of readers) {
      const space = candidates.canFuse(reader) ? spaceOf(facts, reader) : null
      if (space !== null) bySpace.set(space, [...(bySpace.get(space) ?? []), reader])
    }
    for (const group of bySpace.values()) {
      const fused = fuseGroup(group, clusters, candidates)
      if (fused > 0) report('siblings', fused)
    }
  }
}

/** Merges each cluster with the first compatible one. Returns how many were merged into another. */
const fuseGroup = (group: readonly Cluster[], clusters: Clusters, candidates: Candidates): number => {
  const kernels: Cluster[] = []
  let fused = 0
  for (const cluster of group.toSorted((a, b) => a.rank - b.rank)) {
    const merged = kernels.findIndex((kernel) => {
      const [first, second] = kernel.rank < cluster.rank ? [kernel, cluster] : [cluster, kernel]
      return 'saving' in candidates.judge(first, second) && clusters.canMerge(first, second)
    })
    const other = kernels[merged]
    if (other === undefined) {
      kernels.push(cluster)
      continue
    }
    const [first, second] = other.rank < cluster.rank ? [other, cluster] : [cluster, other]
    const one = candidates.merge(first, second)
    if (one === null) continue
    kernels[merged] = one
    fused++
  }
  return fused
}

/** The iteration space of the kernel's loops, as text; null if it is not a single shape, or if the loops have their own form. */
const spaceOf = ({ graph, nodes, roles, kinds }: Facts, { members }: Cluster): string | null => {
  const heroes = members.filter((at) => roles[at] === 'hero')
  if (heroes.some((at) => kinds[at] !== 'reduction')) return null
  const spaces = heroes.map((at) => {
    const { inputs, attrs } = nodes[at] as Node
    return `${typeOf(graph, inputs[0] as Ref).shape.join()} by ${JSON.stringify('axes' in attrs ? attrs.axes : attrs)}` // a reduction has an operand
  })
  const largest = heroes.length > 0 ? spaces : [largestShape(members.map((at) => nodes[at] as Node))]
  return new Set(largest).size === 1 ? (largest[0] as string) : null
}

const largestShape = (nodes: readonly Node[]): string =>
  nodes
    .map(({ types }) => types[0]?.shape ?? [])
    .reduce((most, shape) => (elements(shape) > elements(most) ? shape : most), [])
    .join()
