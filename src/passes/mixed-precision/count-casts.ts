/** The casts that mixed precision added to a graph. */
import { findNode, liveOrder, typeOf } from '../../ir/graph.ts'
import type { Graph, Half } from '../../ir/types.ts'
import { hasResultDtype } from './problem.ts'
import type { CastCounts } from './report.ts'
import { isNarrowing, isWidening, staticNodes } from './statics.ts'

/** Counts what the pass added to `before`. Casts in the bodies of composites are inside kernels and do not count. */
export const countCasts = (before: Graph, graph: Graph, dtype: Half): CastCounts => {
  let [casts, absorbed, weightCasts] = [0, 0, 0]
  const statics = staticNodes(graph)
  for (const node of liveOrder(graph)) {
    if (findNode(before, node.id) !== null) continue
    if (isNarrowing(graph, node, dtype) || isWidening(graph, node, dtype)) {
      if (statics.has(node.id)) weightCasts++
      else casts++
    }
    const [operand] = node.inputs
    if (operand === undefined || !hasResultDtype(node) || node.attrs.resultDtype !== 'float32') continue
    if (typeOf(graph, operand).dtype === dtype) absorbed++
  }
  return { casts, absorbed, weightCasts }
}
