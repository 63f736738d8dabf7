/** Converts TensorFlow's record of a run to rows for the nodes of the graph. */
import { nodeAt } from '../../ir/graph.ts'
import type { Graph, Node } from '../../ir/types.ts'
import type { ProfileRow } from '../backend.ts'
import { nodesNamed } from './errors.ts'
import type { NodeExecStats } from './proto/tensorflow_pb.ts'

/** Nodes that only pass values on, and nodes whose inner nodes have rows of their own. */
const withoutRow =
  /^(_Arg|_Retval|_Recv|_Send|_SOURCE|Placeholder|Const|NoOp|IdentityN?|(Stateless)?If|(Stateful)?PartitionedCall)$/

/** A row for each kernel that ran, in the order of their starts. A fused kernel has the name of the last node that it computes. */
export const profileRows = (graph: Graph, stats: readonly NodeExecStats[]): readonly ProfileRow[] =>
  [...stats]
    .sort((a, b) => Number(a.allStartMicros - b.allStartMicros))
    .flatMap(({ nodeName, timelineLabel, opStartRelMicros, opEndRelMicros }) => {
      // `n5/0 = _FusedConv2D(a0, a1)`
      const kernel = /= ([\w>]+)\(/.exec(timelineLabel)?.[1] ?? nodeName
      if (withoutRow.test(kernel)) return []
      const node = nodesNamed(nodeName, graph)[0] ?? null
      const ms = Number(opEndRelMicros - opStartRelMicros) / 1000
      const path = node === null ? '' : kernel.includes('Fused') ? pathOfFused(node, graph) : node.path
      return [{ path, op: node?.op ?? '', kernel, ms }]
    })

/** The node's path. An activation often has none; it gets the path of its operand. */
const pathOfFused = (node: Node, graph: Graph): string => {
  const [first] = node.inputs
  return node.path !== '' || first === undefined ? node.path : pathOfFused(nodeAt(graph, first.id), graph)
}
