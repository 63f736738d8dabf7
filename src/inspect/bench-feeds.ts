/** The feeds of benchmarks: pixels and labels, the same in every run. */
import { nodeAt, usesOf, refKey } from '../ir/graph.ts'
import { elements, type Graph, type NodeId } from '../ir/types.ts'

export type BenchFeeds = { readonly [name: string]: Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer> }

/** Feeds for every input of a graph: integers cycle through the classes, floats are pixels between 0 and 255. */
export const benchFeeds = (graph: Graph): BenchFeeds =>
  Object.fromEntries(
    graph.inputs.map((id) => {
      const node = nodeAt(graph, id)
      const [type] = node.types
      const length = type === undefined ? 0 : elements(type.shape)
      const name = node.op === 'input' ? node.attrs.name : ''
      if (type?.dtype !== 'int32') return [name, Float32Array.from({ length }, (_, i) => pixel(i))]
      const classes = classesOf(graph, id)
      return [name, Int32Array.from({ length }, (_, i) => i % classes)]
    }),
  )

/** Knuth's multiplicative hash, so that the pictures of a batch differ. */
const pixel = (i: number): number => Math.imul(i + 1, 2654435761) >>> 24

/** The number of valid values of an integer input; 1 if the graph does not show it. */
const classesOf = (graph: Graph, input: NodeId): number =>
  (usesOf(graph).get(refKey({ id: input, port: 0 })) ?? []).reduce(
    (classes, { node }) => (node.op === 'oneHot' ? Math.max(classes, node.attrs.depth) : classes),
    1,
  )
