/** The kernels of a compiled program, each as a graph of its own. */
import { liveOrder, nodeAt, refKey } from '../../ir/graph.ts'
import { print } from '../../ir/print.ts'
import type { Graph, Node } from '../../ir/types.ts'
import { cutGraph } from '../../passes/cut-graph.ts'
import { graphSteps, type Program } from '../../passes/program.ts'

interface Kernel {
  readonly name: string
  readonly node: Node
  /** A graph of the node alone, with its operands as inputs or variables. */
  readonly part: Graph
}

/** The distinct kernels of the program. */
export const kernelsOf = (program: Program): readonly Kernel[] => {
  const found = new Map<string, Kernel>()
  for (const { graph } of graphSteps(program)) {
    for (const node of liveOrder(graph)) {
      if (node.inputs.length === 0) continue
      const part = alone(graph, node)
      const text = print(part, { paths: false })
      const what = node.op === 'fusion' ? node.attrs.kind : node.op
      if (!found.has(text))
        found.set(text, { name: `kernel ${what}${node.path === '' ? '' : ` of ${node.path}`}`, node, part })
    }
  }
  return [...found.values()]
}

/** A graph of the results of a node, with named operands. Variables stay variables, because backends store them packed; literals stay too. */
const alone = (graph: Graph, node: Node): Graph => {
  const names = new Map<string, string>()
  const nameOf = (kind: string, name: string): string => {
    const known = names.get(`${kind} ${name}`) ?? `${kind}${names.size}`
    names.set(`${kind} ${name}`, known)
    return known
  }
  const sources = new Set<Node>()
  const operands = new Map<number, string>()
  for (const ref of node.inputs) {
    const operand = nodeAt(graph, ref.id)
    if (operand.op === 'variable' || operand.op === 'constant' || operand.op === 'iota') sources.add(operand)
    else operands.set(refKey(ref), `${ref.id}.${ref.port}`)
  }
  const results = node.types.map((_, port) => ({ name: `y${port}`, value: { id: node.id, port } }))
  return cutGraph({ graph, results, nodes: [...sources, node], operands }, nameOf)
}
