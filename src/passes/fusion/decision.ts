/** What fusion decided about a graph, kept beside the graph that it made, for explanations. */
import type { Graph } from '../../ir/types.ts'
import type { Candidates } from './candidates.ts'
import type { Clusters } from './clusters.ts'
import type { Facts } from './facts.ts'

export interface FusionDecision {
  readonly facts: Facts
  readonly clusters: Clusters
  readonly candidates: Candidates
}

const decisions = new WeakMap<Graph, FusionDecision>()

export const rememberFusion = (after: Graph, decision: FusionDecision): void => void decisions.set(after, decision)

/** The decision that led to exactly this graph; null if there is none. */
export const fusionOf = (after: Graph): FusionDecision | null => decisions.get(after) ?? null
