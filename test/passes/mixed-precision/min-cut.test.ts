/** The exact strategy compared with all assignments, and its flow with all cuts. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { makeFlowNetwork, type Triple } from '../../../src/passes/mixed-precision/max-flow.ts'
import { minimumCut } from '../../../src/passes/mixed-precision/min-cut.ts'
import { priceOf, settled, type PortGraph, type Vertex } from '../../../src/passes/mixed-precision/port-graph.ts'
import { anyPortGraph, cheapestAnswers } from './port-graphs.ts'

describe('maximum flow', () => {
  const anyTriple: fc.Arbitrary<Triple> = fc.tuple(fc.nat(2), fc.nat(3), fc.nat(5))
  const anyNetwork = fc.integer({ min: 2, max: 7 }).chain((nodes) =>
    fc.record({
      nodes: fc.constant(nodes),
      arcs: fc.array(fc.tuple(fc.nat(nodes - 1), fc.nat(nodes - 1), anyTriple), { maxLength: 16 }),
    }),
  )
  const compare = (a: Triple, b: Triple): number => a[0] - b[0] || a[1] - b[1] || a[2] - b[2]

  test('equals the minimum cut, with the smallest sink side', () => {
    fc.assert(
      fc.property(anyNetwork, ({ nodes, arcs }) => {
        const network = makeFlowNetwork(nodes)
        for (const [from, to, capacity] of arcs) network.addArc(from, to, capacity)
        const flow = network.maximise(0, 1)
        let least: Triple | null = null
        let smallest: readonly boolean[] = []
        for (let bits = 0; bits < 2 ** nodes; bits++) {
          const isSink = Array.from({ length: nodes }, (_, n) => ((bits >>> n) & 1) === 1)
          if (isSink[0] === true || isSink[1] !== true) continue
          const cut = arcs
            .filter(([from, to]) => isSink[from] === false && isSink[to] === true)
            .reduce<Triple>((sum, [, , c]) => [sum[0] + c[0], sum[1] + c[1], sum[2] + c[2]], [0, 0, 0])
          const order = least === null ? -1 : compare(cut, least)
          if (order < 0) [least, smallest] = [cut, isSink]
          else if (order === 0) smallest = smallest.map((x, n) => x && isSink[n] === true)
        }
        expect(flow).toEqual(least)
        expect([...network.sinkSide(1)].map((x) => x === 1)).toEqual(smallest)
      }),
      { numRuns: 2000 },
    )
  })

  test('weights far apart keep their order', () => {
    const network = makeFlowNetwork(3)
    network.addArc(0, 2, [1, 0, 0])
    network.addArc(2, 1, [0, 2 ** 40, 7])
    network.addArc(0, 1, [0, 0, 2 ** 50 + 1])
    expect(network.maximise(0, 1)).toEqual([0, 2 ** 40, 2 ** 50 + 8])
  })
})

describe('minimum cut', () => {
  test('is the cheapest assignment, its cost is the bound, and among equal ones it has the most half vertices', () => {
    fc.assert(
      fc.property(anyPortGraph(), (graph) => {
        const { assignment, lowerBound } = minimumCut(graph)
        const { price, assignments } = cheapestAnswers(graph)
        expect(lowerBound).toEqual(price)
        expect(priceOf(graph, assignment)).toEqual(price)
        expect(assignment).toEqual(graph.vertices.map((v) => assignments.some((a) => a[v.id] === true)))
      }),
      { numRuns: 5000 },
    )
  })

  test('a forced vertex is on its side, and the rest is as cheap as possible', () => {
    fc.assert(
      fc.property(anyPortGraph(7), fc.nat(6), fc.boolean(), (graph, at, side) => {
        const vertex = graph.vertices[at % graph.vertices.length] as Vertex
        const { assignment, lowerBound } = minimumCut(graph, new Map([[vertex.id, side]]))
        const wanted = settled(vertex) ?? side
        expect(assignment[vertex.id]).toBe(wanted)
        expect(priceOf(graph, assignment)).toEqual(lowerBound)
        const { price } = cheapestAnswers(graph, (a) => a[vertex.id] === wanted)
        expect(lowerBound).toEqual(price)
      }),
      { numRuns: 1000 },
    )
  })

  test('the order of vertices and edges does not matter', () => {
    fc.assert(
      fc.property(anyPortGraph(), (graph) => {
        const last = graph.vertices.length - 1
        const turned: PortGraph = {
          vertices: graph.vertices.map((v) => ({ ...v, id: last - v.id })).reverse(),
          edges: graph.edges.map((e) => ({ ...e, from: last - e.from, to: e.to.map((t) => last - t) })).reverse(),
        }
        expect([...minimumCut(turned).assignment].reverse()).toEqual(minimumCut(graph).assignment)
      }),
      { numRuns: 500 },
    )
  })

  test('handles a chain of fifty thousand', () => {
    const count = 50_000
    const vertices = Array.from(
      { length: count },
      (_, id): Vertex => ({
        id,
        name: `v${id}`,
        op: 'relu',
        class: id % 100 === 50 ? 'allow' : 'clear',
        canBeHalf: id > 0 && id < count - 1,
        isHalf: false,
      }),
    )
    const edges = vertices.slice(1).map((v) => ({ from: v.id - 1, to: [v.id], bytes: 2, isFree: false }))
    const { assignment, lowerBound } = minimumCut({ vertices, edges })
    expect(lowerBound).toEqual({ contractions: 0, casts: 2, bytes: 4 })
    expect(assignment.filter((x) => !x).length).toBe(2)
  })
})
