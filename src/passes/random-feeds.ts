/** Random inputs and variables for judging passes. They include values above 6 and below 0, where relu6, relu and abs differ. */
import { costOf, nodeCost } from '../ir/cost.ts'
import { findNode, liveOrder, nodesOf } from '../ir/graph.ts'
import { elements, isFloat, type Graph, type Node, type NodeId, type Type } from '../ir/types.ts'

export interface RandomFeeds {
  readonly inputs: { readonly [name: string]: Float64Array }
  readonly variables: ReadonlyMap<string, Float64Array>
}

/** Numbers from a small generator: from 0 to 1, the same for the same seed. */
export const generator = (seed: number): (() => number) => {
  let state = seed >>> 0
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return (state >>> 8) * 2 ** -24
  }
}

/** Numbers on a grid of 1/64, exact in float16: half of them between -2 and 2, the others between -9 and 9. Integers from 0 to 3. */
const randomTensor = ({ dtype, shape }: Type, next: () => number, isPositive = false): Float64Array => {
  const numbers = new Float64Array(elements(shape))
  const draw = (): number => {
    if (!isFloat(dtype)) return Math.floor(next() * (dtype === 'bool' ? 2 : 4))
    if (isPositive) return Math.round((0.25 + 1.75 * next()) * 64) / 64
    const reach = next() < 0.5 ? 2 : 9
    return Math.round((2 * next() - 1) * reach * 64) / 64
  }
  for (let i = 0; i < numbers.length; i++) numbers[i] = draw() // Float64Array.from() takes ten times as long
  return numbers
}

/** Feeds for all of these graphs; `positive` names the variables that stay between 1/4 and 2; `next` gives numbers from 0 to 1. */
export const randomFeeds = (
  graphs: readonly Graph[],
  positive: ReadonlySet<string>,
  next: () => number,
): RandomFeeds => {
  const inputs = new Map<string, Float64Array>()
  const variables = new Map<string, Float64Array>()
  for (const node of graphs.flatMap(nodesOf)) {
    const [type] = node.types
    if ((node.op !== 'input' && node.op !== 'variable') || type === undefined) continue
    const { name } = node.attrs
    const known = node.op === 'input' ? inputs : variables
    if (!known.has(name)) known.set(name, randomTensor(type, next, node.op === 'variable' && positive.has(name)))
  }
  return { inputs: Object.fromEntries(inputs), variables }
}

/**
 * How many runs with different numbers are needed. A few elements in one run rarely cover all points where two ops differ, such as 6 and 0.
 * As many runs as give each value of the graph 64 elements, within a fraction of a second.
 */
export const drawsOf = (graph: Graph): number => {
  const sizes = liveOrder(graph).flatMap(({ types }) => types.map(({ shape }) => elements(shape)))
  const work = costOf(graph).multiplyAdds + sizes.reduce((sum, size) => sum + size, 0)
  const wanted = Math.ceil(64 / Math.max(1, Math.min(...sizes, 64)))
  return Math.max(1, Math.min(wanted, Math.floor(2e4 / Math.max(1, work))))
}

/**
 * The same feeds, with bool values negated and integers x as 3 - x, if one of these has few elements; otherwise null. A single flag or counter hides
 * what depends on its other values: whether an update is applied, or a learning rate of 0 in step 0.
 */
export const complemented = (feeds: RandomFeeds, graphs: readonly Graph[]): RandomFeeds | null => {
  const inputs = new Map(Object.entries(feeds.inputs))
  const variables = new Map(feeds.variables)
  let hasFew = false
  for (const node of graphs.flatMap(nodesOf)) {
    const [type] = node.types
    if ((node.op !== 'input' && node.op !== 'variable') || type === undefined || isFloat(type.dtype)) continue
    const { name } = node.attrs
    const values = node.op === 'input' ? feeds.inputs[name] : feeds.variables.get(name)
    if (values === undefined) continue
    hasFew ||= values.length < fewElements
    const most = type.dtype === 'bool' ? 1 : 3
    const changed = node.op === 'input' ? inputs : variables
    changed.set(
      name,
      values.map((x) => most - x),
    )
  }
  return hasFew ? { inputs: Object.fromEntries(inputs), variables } : null
}
/** So many random elements nearly always include both bool values. */
const fewElements = 8

/** A number of draws, each also with its complement. */
export function* drawn(count: number, graphs: readonly Graph[], draw: () => RandomFeeds): Generator<RandomFeeds> {
  for (let at = 0; at < count; at++) {
    const feeds = draw()
    yield feeds
    const other = complemented(feeds, graphs)
    if (other !== null) yield other
  }
}

/** The operand that must not be negative: a variance, or a mean of squares, whose square root is taken. */
const rootedOperand = (node: Node): number | null =>
  node.op === 'batchNorm' || node.op === 'batchNormInference'
    ? 4
    : node.op === 'rmsprop'
      ? 2
      : node.op === 'adam'
        ? 3
        : null

/** Names of the variables in graphs of a program whose square roots are taken. */
export const positiveVariables = (graphs: readonly Graph[]): ReadonlySet<string> => {
  const names = new Set<string>()
  for (const graph of graphs) {
    const variables = new Map<NodeId, string>()
    for (const node of nodesOf(graph)) if (node.op === 'variable') variables.set(node.id, node.attrs.name)
    for (const node of nodesOf(graph)) {
      const at = rootedOperand(node)
      const name = at === null ? undefined : variables.get(node.inputs[at]?.id as NodeId)
      if (name !== undefined) names.add(name)
    }
  }
  return names
}

/**
 * Divides kernels by a power of two near the square root of the number of terms in a sum. Otherwise large results would hide small differences,
 * and deep networks would give no finite numbers.
 */
export const calmed = (feeds: RandomFeeds, graphs: readonly Graph[]): RandomFeeds => {
  const variables = new Map(feeds.variables)
  const done = new Set<string>()
  for (const [graph, node] of graphs.flatMap((each) => liveOrder(each).map((node) => [each, node] as const))) {
    const terms = nodeCost(graph, node).multiplyAdds / elements(node.types[0]?.shape ?? [])
    if (terms <= 1) continue
    const divisor = 2 ** Math.round(Math.log2(8 * Math.sqrt(terms)))
    for (const { id } of node.inputs) {
      const source = findNode(graph, id)
      const name = source?.op === 'variable' ? source.attrs.name : ''
      const values = feeds.variables.get(name)
      if (values === undefined || done.has(name)) continue
      done.add(name)
      variables.set(
        name,
        values.map((x) => x / divisor),
      )
    }
  }
  return { ...feeds, variables }
}
