/** Who decides. A strategy sees the abstract problem only, and leaves what is settled as it is. */
import { minimumCut } from './min-cut.ts'
import { paint } from './painting.ts'
import type { AmpSettings, StrategyName } from './options.ts'
import type { Assignment, PortGraph } from './port-graph.ts'

export type Strategy = (graph: PortGraph, settings: Pick<AmpSettings, 'followAllow'>) => Assignment

export const strategies: { readonly [S in StrategyName]: Strategy } = {
  minCut: (graph) => minimumCut(graph).assignment,
  tensorflow: (graph, { followAllow }) => paint(graph, { followAllow }),
}
