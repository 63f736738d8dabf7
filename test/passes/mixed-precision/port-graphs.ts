/** Small abstract problems, and their properties, found by trying all assignments. */
import fc from 'fast-check'
import {
  comparePrices,
  priceOf,
  settled,
  type Assignment,
  type Edge,
  type PortGraph,
  type Price,
  type Vertex,
} from '../../../src/passes/mixed-precision/port-graph.ts'

const classes = ['allow', 'deny', 'infer', 'clear', 'wide'] as const

/** Up to `verticesMax` vertices of any class, some settled, with values between any of them. Cycles are allowed. */
export const anyPortGraph = (verticesMax = 9): fc.Arbitrary<PortGraph> =>
  fc
    .tuple(
      fc.array(fc.record({ class: fc.constantFrom(...classes), fixed: fc.nat(5) }), {
        minLength: 1,
        maxLength: verticesMax,
      }),
      fc.array(
        fc.record({
          from: fc.nat(verticesMax),
          to: fc.array(fc.nat(verticesMax), { maxLength: 4 }),
          bytes: fc.nat(8),
          isFree: fc.boolean(),
          written: fc.oneof({ weight: 4, arbitrary: fc.constant([]) }, fc.subarray(['narrow', 'widen'] as const)),
        }),
        { maxLength: 12 },
      ),
    )
    .map(([drawn, values]) => ({
      vertices: drawn.map(
        (v, id): Vertex => ({
          id,
          name: `v${id}`,
          op: v.class,
          class: v.class,
          canBeHalf: v.fixed !== 0,
          isHalf: v.fixed === 1,
        }),
      ),
      edges: values.map(
        (e): Edge => ({ ...e, from: e.from % drawn.length, to: [...new Set(e.to.map((t) => t % drawn.length))] }),
      ),
    }))

/** Every assignment that respects settled vertices, with its cost. */
export const everyAnswer = function* (
  graph: PortGraph,
): Generator<{ readonly assignment: Assignment; readonly price: Price }> {
  const open = graph.vertices.filter((v) => settled(v) === null)
  for (let bits = 0; bits < 2 ** open.length; bits++) {
    const assignment = graph.vertices.map((v) => settled(v) ?? ((bits >>> open.indexOf(v)) & 1) === 1)
    yield { assignment, price: priceOf(graph, assignment) }
  }
}

/** The cheapest assignments among those that `wanted` accepts. */
export const cheapestAnswers = (
  graph: PortGraph,
  isWanted: (assignment: Assignment) => boolean = () => true,
): { readonly price: Price; readonly assignments: readonly Assignment[] } => {
  let best: Price | null = null
  let assignments: Assignment[] = []
  for (const { assignment, price } of everyAnswer(graph)) {
    if (!isWanted(assignment)) continue
    const order = best === null ? -1 : comparePrices(price, best)
    if (order < 0) [best, assignments] = [price, []]
    if (order <= 0) assignments.push(assignment)
  }
  if (best === null) throw new Error('there is always an answer')
  return { price: best, assignments }
}
