/** The decisions of fusion about a graph, stored beside the resulting graph, for explanations. */
import type { Graph } from '../../ir/types.ts'
import { type Candidates, readersMax } from './candidates.ts'
import type { Cluster, Clusters } from './clusters.ts'
import type { Facts } from './facts.ts'
import type { Refusal } from './refusals.ts'

/** Two kernels of which one reads the other, and the reason why they are not fused. */
export interface Refused {
  readonly producer: Cluster
  readonly consumer: Cluster
  readonly refusal: Refusal
}

export interface FusionDecision {
  readonly facts: Facts
  readonly clusters: Clusters
  readonly refused: readonly Refused[]
}

const decisions = new WeakMap<Graph, FusionDecision>()

export const rememberFusion = (after: Graph, decision: FusionDecision): void => void decisions.set(after, decision)

/** The decision that led to exactly this graph; null if there is none. */
export const fusionOf = (after: Graph): FusionDecision | null => decisions.get(after) ?? null

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
