/** The kernels of a compiled program, each as a graph of its own. */
import { liveOrder, nodeAt, refKey } from '../../ir/graph.ts'
import { costOf } from '../../ir/cost.ts'
import { print } from '../../ir/print.ts'
import type { Graph, Node } from '../../ir/types.ts'
import { cutGraph } from '../../passes/cut-graph.ts'
import { graphSteps, type Program } from '../../passes/program.ts'
import { sizeClass } from '../../passes/size-class.ts'

export interface Kernel {
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
      node.types.forEach((_, port) => {
        const part = alone(graph, node, port)
        const text = print(part, { paths: false })
        const what = node.op === 'fusion' ? node.attrs.kind : node.op
        if (!found.has(text))
          found.set(text, { name: `kernel ${what}${node.path === '' ? '' : ` of ${node.path}`}`, node, part })
      })
    }
  }
  return [...found.values()]
}

/** If there are more kernels than `kernelsMax`, then only the `perClass` smallest of those with the same ops in other sizes; `left` counts the others. */
export const chosenKernels = (
  kernels: readonly Kernel[],
  { kernelsMax, perClass }: { readonly kernelsMax: number; readonly perClass: number },
): { readonly chosen: readonly Kernel[]; readonly left: number } => {
  if (kernels.length <= kernelsMax) return { chosen: kernels, left: 0 }
  const workOf = ({ part }: Kernel): number => costOf(part).multiplyAdds + costOf(part).operations
  const counts = new Map<string, number>()
  const kept = new Set<Kernel>()
  for (const kernel of kernels.toSorted((a, b) => workOf(a) - workOf(b))) {
    const of = sizeClass(print(kernel.part, { paths: false }))
    const count = counts.get(of) ?? 0
    counts.set(of, count + 1)
    if (count < perClass) kept.add(kernel)
  }
  return { chosen: kernels.filter((kernel) => kept.has(kernel)), left: kernels.length - kept.size }
}

/** A graph of one result of a node, with named operands. Variables stay variables, because backends store them packed; literals stay too. */
const alone = (graph: Graph, node: Node, port: number): Graph => {
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
  return cutGraph({ graph, root: { id: node.id, port }, nodes: [...sources, node], operands }, nameOf)
}
