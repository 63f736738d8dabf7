/**
 * A graph for one part of a batch. A batch can be divided if no result depends on several examples: then the graph on one part after the other gives the
 * same numbers as the graph on all examples.
 */
import { nodeCost } from '../ir/cost.ts'
import { liveOrder, nodeAt } from '../ir/graph.ts'
import { elements, type Graph, type Node, type NodeId } from '../ir/types.ts'
import { type BatchPart, dividedGraph } from './batch-division.ts'

export type { BatchPart }

/**
 * The graph for one of equal parts of the batch, which is the first axis of inputs. Null if the batch cannot be divided so. The graph does not say
 * which inputs have examples: a table may have as many rows as the batch has examples. So all inputs of one first size are divided, and where that is
 * impossible, some of them stay whole.
 */
export const batchPart = (graph: Graph, parts: number): BatchPart | null => {
  if (parts < 2 || graph.updates.length > 0) return null
  const inputs = graph.inputs.map((id) => nodeAt(graph, id)).sort((a, b) => sizeOf(b) - sizeOf(a))
  const divisible = inputs.filter((input) => (firstSize(input) ?? 1) % parts === 0)
  for (const size of new Set(divisible.map(firstSize))) {
    const found = largestDivision(
      graph,
      divisible.filter((input) => firstSize(input) === size),
      parts,
    )
    if (found !== null) return found
  }
  return null
}

/** Inputs have one result. */
const firstSize = ({ types }: Node): number | undefined => types[0]?.shape[0]
const sizeOf = ({ types }: Node): number => elements(types[0]?.shape ?? [])

/** Each attempt walks through the graph. */
const attemptsMax = 16

/** Divides the inputs; after a conflict those without one side of it, in order of the elements that are divided. */
const largestDivision = (graph: Graph, inputs: readonly Node[], parts: number): BatchPart | null => {
  const elementsOf = (divided: readonly Node[]): number => divided.reduce((sum, input) => sum + sizeOf(input), 0)
  const pending = [inputs]
  const known = new Set<string>()
  for (let attempt = 0; attempt < attemptsMax; attempt++) {
    const divided = pending.shift()
    if (divided === undefined) return null
    const found = dividedGraph(graph, new Set(divided.map(({ id }) => id)), parts)
    if ('part' in found) {
      const whole = inputs.filter((input) => !divided.includes(input))
      if (isWorthwhile(found.part.graph, graph, whole)) return found.part
      continue
    }
    for (const side of found.conflict) {
      const rest = divided.filter(({ id }) => !side.has(id))
      const key = rest.map(({ id }) => id).join()
      if (rest.length === 0 || known.has(key)) continue
      known.add(key)
      pending.push(rest)
    }
    pending.sort((a, b) => elementsOf(b) - elementsOf(a))
  }
  return null
}

/** The work on inputs that stay whole, as a share of the work on the examples of a part. */
const repeatedShareMax = 1 / 8

/**
 * Each part repeats the work on inputs that stay whole. If that is much, it is rather these inputs that have the examples, and a network on them mixes
 * the examples.
 */
const isWorthwhile = (part: Graph, graph: Graph, whole: readonly Node[]): boolean => {
  const repeating = new Set<NodeId>(whole.map(({ id }) => id))
  let [repeated, divided] = [0, 0]
  for (const node of liveOrder(part)) {
    const { multiplyAdds, operations } = nodeCost(part, node)
    if (node !== graph.nodes[node.id]) divided += multiplyAdds + operations
    else if (node.inputs.some(({ id }) => repeating.has(id))) {
      repeating.add(node.id)
      repeated += multiplyAdds + operations
    }
  }
  return repeated <= repeatedShareMax * divided
}
