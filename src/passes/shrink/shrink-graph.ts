/**
 * Shrinks a graph that shows a fault. First it removes the nodes after and before the fault by halves, so that large graphs shrink in a few tries.
 * Then it removes single nodes, replaces values that do not matter by zeros and ones, and reduces sizes.
 */
import { liveOrder, refKey, typeOf } from '../../ir/graph.ts'
import { elements, sameType, type Graph, type Node, type Output, type Ref, type Update } from '../../ir/types.ts'
import { frontier, isSource, reducedGraph, type Reduction, type Stand } from './reduced-graph.ts'
import { Attempts, fewest, type Search } from './search.ts'

/** Large graphs are slow to judge: a try costs one unit per node, and one more for this many elements. */
const priceOf = (graph: Graph): number => {
  const order = liveOrder(graph)
  const sizes = order.flatMap(({ types }) => types.map(({ shape }) => elements(shape)))
  return order.length + sizes.reduce((sum, size) => sum + size, 0) / 20_000
}
const budget = 15_000

type Tries = Attempts<Graph>
type Steps = Generator<Graph, void, boolean>

/** Candidates for the smallest graph that fails as this one does. */
export function* shrinking(graph: Graph): Search<Graph> {
  const attempts = new Attempts(graph, budget, priceOf)
  yield* attempts.of(reduced(graph, { outputs: withUpdatesAsOutputs(graph), updates: [] }))
  yield* withoutEnd(attempts)
  yield* withoutBeginning(attempts)
  yield* fewerResults(attempts)
  for (let before: Graph | null = null; before !== attempts.best; ) {
    before = attempts.best
    yield* smallerSizes(attempts)
    yield* simplerNodes(attempts)
    yield* fewerResults(attempts)
  }
  return attempts.best
}

const reduced = (graph: Graph, change: Partial<Reduction>): Graph | null =>
  reducedGraph(graph, { outputs: graph.outputs, updates: graph.updates, ...change })

/** Outputs instead of updates, because an update is harder to read, and most faults show in both. */
const withUpdatesAsOutputs = ({ outputs, updates }: Graph): readonly Output[] => {
  const names = new Set(outputs.map(({ name }) => name))
  const free = (name: string): string => (names.has(name) ? free(`${name}'`) : name)
  return [...outputs, ...updates.map(({ value }, i) => ({ name: free(`update${i}`), value }))]
}

/** Keeps only the first nodes, as many as still show the fault, by bisection. */
function* withoutEnd(attempts: Tries): Steps {
  const graph = attempts.best
  const order = liveOrder(graph)
  let [low, high] = [0, order.length]
  while (high - low > 1) {
    const middle = (low + high) >> 1
    const ends = frontier(graph, order, middle)
    const outputs = ends.map((value, i) => ({ name: `y${i}`, value }))
    const fails = outputs.length > 0 && (yield* attempts.of(reduced(graph, { outputs, updates: [] })))
    if (fails) high = middle
    else low = middle
  }
}

/** Keeps only the last nodes. The values that they read from the other nodes become inputs. */
function* withoutBeginning(attempts: Tries): Steps {
  const graph = attempts.best
  const order = liveOrder(graph)
  let [low, high] = [0, order.length]
  while (high - low > 1) {
    const middle = (low + high) >> 1
    const stands = new Map(frontier(graph, order, middle).map((ref) => [refKey(ref), { kind: 'input' } as const]))
    if (yield* attempts.of(reduced(graph, { stands }))) low = middle
    else high = middle
  }
}

function* fewerResults(attempts: Tries): Steps {
  const { best } = attempts
  const results: readonly (Output | Update)[] = [...best.outputs, ...best.updates]
  yield* fewest(attempts, results, (kept) =>
    reduced(best, {
      outputs: kept.filter((result) => 'name' in result),
      updates: kept.filter((result) => 'variable' in result),
    }),
  )
}

/** From the last node to the first: tries a simpler replacement. */
function* simplerNodes(attempts: Tries): Steps {
  for (let at = liveOrder(attempts.best).length - 1; at >= 0; at--) {
    const order = liveOrder(attempts.best)
    const node = order[Math.min(at, order.length - 1)]
    if (node === undefined) return
    const graph = attempts.best
    for (const stand of simplerThan(node, graph)) {
      const stands = new Map(node.types.map((_, port) => [refKey({ id: node.id, port }), stand]))
      if (yield* attempts.of(reduced(graph, { stands }))) break
    }
  }
}

/** Possible replacements of a node's values, simplest first. */
const simplerThan = (node: Node, graph: Graph): readonly Stand[] => {
  const isUpdated = graph.updates.some(({ variable }) => variable === node.id)
  const isNumber = node.op === 'constant' && typeof node.attrs.value === 'number'
  if (isUpdated || isNumber) return []
  const numbers: readonly Stand[] = [
    { kind: 'number', value: 0 },
    { kind: 'number', value: 1 },
  ]
  if (node.op === 'input') return numbers
  const [type] = node.types
  const operands = isSource(node)
    ? []
    : node.inputs.flatMap((ref: Ref): readonly Stand[] =>
        node.types.length === 1 && type !== undefined && sameType(typeOf(graph, ref), type)
          ? [{ kind: 'value', ref }]
          : [],
      )
  return [...numbers, ...operands, { kind: 'input' }]
}

/** Largest sizes first. */
function* smallerSizes(attempts: Tries): Steps {
  const sizes = new Set(liveOrder(attempts.best).flatMap(({ types }) => types.flatMap(({ shape }) => shape)))
  for (const from of [...sizes].sort((a, b) => b - a))
    for (const to of new Set([1, 2, 3, Math.ceil(from / 2)]))
      if (to < from && (yield* attempts.of(reduced(attempts.best, { size: { from, to } })))) break
}
