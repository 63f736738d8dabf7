/**
 * Nodes become kernels: regions, each a node `fusion` with a graph as body, which a backend lowers to one kernel of one or more phases.
 *
 * First producers with consumers, then siblings that read the same value, then independent work on many tensors (off unless the machine has kernels
 * for it). It decides on clusters of nodes as plain data and edits the graph once, at the end. What stays as it is: inputs, variables, literals, reshapes
 * (views, which need no kernel), and ops that have no kernel of their own because the backend's `legalize` left them whole. Every other node
 * becomes a part of a region, also where it is alone in it.
 */
import { definePass } from '../pass.ts'
import { Candidates } from './candidates.ts'
import { chainsOf } from './chains.ts'
import { type Cluster, Clusters } from './clusters.ts'
import { refusedPairs, rememberFusion } from './decision.ts'
import { emitRegions } from './emit.ts'
import { factsOf } from './facts.ts'
import { fuseHorizontally } from './horizontal.ts'
import { fuseProducers } from './producers.ts'
import { fuseSiblings } from './siblings.ts'

export const fusion = definePass({
  name: 'fusion',
  summary: 'nodes become kernels',
  phase: 'fuse',
  preserves: 'bits',
  run: (graph, cx) => {
    const facts = factsOf(graph, cx.target)
    const clusters = new Clusters(facts, chainsOf(facts))
    fuseProducers(facts, clusters, cx.report)
    fuseSiblings(facts, clusters, cx.report)
    fuseHorizontally(facts, clusters, cx.report)
    const candidates = new Candidates(facts, clusters)
    const isRegion = ({ members: [first] }: Cluster): boolean => facts.roles[first as number] !== 'outside' // it has members
    const after = emitRegions(facts, clusters, (cluster) => candidates.sketchOf(cluster), isRegion)
    if (after === graph) return graph
    const refused = refusedPairs(clusters, candidates)
    rememberFusion(after, { facts, clusters, refused })
    cx.report('regions', clusters.all().filter(isRegion).length)
    for (const { refusal } of refused) cx.report(`not fused: ${refusal.rule}`)
    return after
  },
})
