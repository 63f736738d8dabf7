/**
 * The decisions of fusion about a graph, stored beside the resulting graph, for explanations. Every program imports this file, and only those of
 * backends with generated kernels load the rest of the folder, so this file imports only types of it.
 */
import type { Graph, Node } from '../../ir/types.ts'
import type { Cluster, Clusters } from './clusters.ts'
import type { FusionNote } from './explain.ts'
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

/** Explains nodes of the graph before, by the decision. */
type Explain = (isAsked: (node: Node) => boolean) => readonly FusionNote[]

const remembered = new WeakMap<Graph, { readonly decision: FusionDecision; readonly explain: Explain }>()

export const rememberFusion = (after: Graph, decision: FusionDecision, explain: Explain): void =>
  void remembered.set(after, { decision, explain })

/** The decision that led to exactly this graph; null if there is none. */
export const fusionOf = (after: Graph): FusionDecision | null => remembered.get(after)?.decision ?? null

/** The kernels of the asked nodes of the graph before; empty if no decision led to exactly this graph. */
export const fusionNotes = (after: Graph, isAsked: (before: Graph, node: Node) => boolean): readonly FusionNote[] => {
  const found = remembered.get(after)
  return found?.explain((node) => isAsked(found.decision.facts.graph, node)) ?? []
}
