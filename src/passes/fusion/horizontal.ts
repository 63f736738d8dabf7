/**
 * Horizontal fusion: fuses independent work of the same ops on many tensors, such as the optimizer steps of all variables, into one launch. It
 * considers only kernels whose values no other kernel reads. Any two of them are independent, so no search for cycles is needed. It is enabled for
 * machines whose kernels support it (`fusionBudget.horizontal`).
 */
import type { Node } from '../../ir/types.ts'
import type { Candidates } from './candidates.ts'
import type { Cluster, Clusters } from './clusters.ts'
import type { Facts } from './facts.ts'

export const fuseHorizontally = (
  facts: Facts,
  clusters: Clusters,
  candidates: Candidates,
  report: (what: string, count?: number) => void,
): void => {
  if (!facts.target.fusionBudget.horizontal) return
  const alike = new Map<string, Cluster[]>()
  for (const cluster of clusters.all()) {
    if (!candidates.canFuse(cluster) || clusters.readersOf(cluster, 0).length > 0) continue
    const ops = cluster.members.map((at) => (facts.nodes[at] as Node).op).join()
    alike.set(ops, [...(alike.get(ops) ?? []), cluster])
  }
  for (const group of alike.values()) {
    const fused = fuseRun(group, candidates)
    if (fused > 0) report('horizontal', fused)
  }
}

/** Merges the clusters one after another until the kernel is full. Returns how many were merged into another. */
const fuseRun = (group: readonly Cluster[], candidates: Candidates): number => {
  let open: Cluster | null = null
  let fused = 0
  for (const cluster of group) {
    const merged: Cluster | null =
      open !== null && 'saving' in candidates.judge(open, cluster) ? candidates.merge(open, cluster) : null
    if (merged !== null) fused++
    open = merged ?? cluster
  }
  return fused
}
