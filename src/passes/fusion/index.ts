/**
 * Nodes become kernels: regions, each a node `fusion` with a graph as body, which a backend lowers to one kernel of one or more phases.
 *
 * It decides on clusters of nodes as plain data and edits the graph once, at the end. What stays as it is: inputs, variables, literals, reshapes
 * (views, which need no kernel), and ops that have no kernel of their own because the backend's `legalize` left them whole. Every other node
 * becomes a part of a region, also where it is alone in it.
 */
import { definePass } from '../pass.ts'
import { Candidates } from './candidates.ts'
import { Clusters } from './clusters.ts'
import { rememberFusion } from './decision.ts'
import { emitRegions } from './emit.ts'
import { factsOf } from './facts.ts'
import { fuseProducers } from './producers.ts'

export const fusion = definePass({
  name: 'fusion',
  summary: 'nodes become kernels',
  phase: 'fuse',
  preserves: 'bits',
  run: (graph, cx) => {
    const facts = factsOf(graph, cx.target)
    const clusters = new Clusters(facts)
    fuseProducers(facts, clusters, cx.report)
    const candidates = new Candidates(facts, clusters)
    const regions = clusters.all().filter(({ members: [first] }) => facts.roles[first as number] !== 'outside')
    const after = emitRegions(
      facts,
      clusters,
      (cluster) => candidates.sketchOf(cluster),
      (cluster) => facts.roles[cluster.members[0] as number] !== 'outside',
    )
    if (after !== graph) rememberFusion(after, { facts, clusters, candidates })
    cx.report('regions', regions.length)
    return after
  },
})
