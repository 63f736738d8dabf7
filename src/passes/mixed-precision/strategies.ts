/** Who decides. A strategy sees the abstract problem only, and leaves what is settled as it is. */
import { EffuseError } from '../../ir/diagnostics.ts'
import { minimumCut } from './min-cut.ts'
import type { StrategyName } from './options.ts'
import type { Assignment, PortGraph } from './port-graph.ts'

export type Strategy = (graph: PortGraph) => Assignment

export const strategies: { readonly [S in StrategyName]: Strategy } = {
  minCut: (graph) => minimumCut(graph).assignment,
  tensorflow: () => {
    throw new EffuseError({
      code: 'EF403',
      message: "the strategy 'tensorflow' is not part of this version of effuse",
      hint: "leave it out, or say strategy: 'minCut'",
    })
  },
}
