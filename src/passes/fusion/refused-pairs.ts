/** The pairs of kernels that fusion did not fuse, each with the reason. */
import { type Candidates, readersMax } from './candidates.ts'
import type { Cluster, Clusters } from './clusters.ts'
import type { Refused } from './decision.ts'
import type { Refusal } from './refusals.ts'

/** All producer-consumer pairs that were not fused, in order. */
export const refusedPairs = (clusters: Clusters, candidates: Candidates): readonly Refused[] =>
  clusters.all().flatMap((producer) =>
    clusters
      .readersOf(producer)
      .toSorted((a, b) => a.rank - b.rank)
      .map((consumer) => ({ producer, consumer, refusal: refusalFor(clusters, candidates, producer, consumer) })),
  )

const refusalFor = (clusters: Clusters, candidates: Candidates, producer: Cluster, consumer: Cluster): Refusal => {
  const { length: count } = clusters.readersOf(producer)
  const verdict = candidates.judge(producer, consumer)
  if ('refusal' in verdict) return verdict.refusal
  return count > readersMax ? { rule: 'readers', count, most: readersMax } : { rule: 'cycle' }
}
