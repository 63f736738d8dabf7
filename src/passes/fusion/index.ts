/**
 * Fusion: nodes become kernels. A kernel is a region: a node `fusion` with a graph as body, which a backend lowers to one kernel with one or more
 * phases.
 *
 * The order is: producers with consumers, then siblings that read the same value, then independent work on many tensors (only if the machine supports
 * it). Fusion decides on clusters of nodes as plain data, and edits the graph once at the end. These nodes stay as they are: inputs, variables,
 * literals, reshapes (views, which need no kernel), and ops that the backend's `legalize` did not decompose because they have no generated kernel.
 * Every other node becomes part of a region, even if it is alone in it.
 */
import { definePass } from '../pass.ts'
import { Candidates } from './candidates.ts'
import { chainsOf } from './chains.ts'
import { type Cluster, Clusters } from './clusters.ts'
import { type FusionDecision, rememberFusion } from './decision.ts'
import { emitRegions } from './emit.ts'
import { explainFusion } from './explain.ts'
import { factsOf } from './facts.ts'
import { fuseHorizontally } from './horizontal.ts'
import { fuseProducers } from './producers.ts'
import { refusedPairs } from './refused-pairs.ts'
import { fuseSiblings } from './siblings.ts'

export const fusion = definePass({
  name: 'fusion',
  summary: 'nodes become kernels',
  phase: 'fuse',
  preserves: 'bits',
  run: (graph, cx) => {
    const facts = factsOf(graph, cx.target)
    const clusters = new Clusters(facts, chainsOf(facts))
    const candidates = new Candidates(facts, clusters)
    fuseProducers(facts, clusters, candidates, cx.report)
    fuseSiblings(facts, clusters, candidates, cx.report)
    fuseHorizontally(facts, clusters, candidates, cx.report)
    const isRegion = ({ members: [first] }: Cluster): boolean => facts.roles[first as number] !== 'outside' // a cluster has members
    const after = emitRegions(facts, clusters, (cluster) => candidates.sketchOf(cluster), isRegion)
    if (after === graph) return graph
    const refused = refusedPairs(clusters, candidates)
    const decision: FusionDecision = { facts, clusters, refused }
    rememberFusion(after, decision, (isAsked) => explainFusion(decision, isAsked))
    cx.report('regions', clusters.all().filter(isRegion).length)
    for (const { refusal } of refused) cx.report(`not fused: ${refusal.rule}`)
    return after
  },
})
