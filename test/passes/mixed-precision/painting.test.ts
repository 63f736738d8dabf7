/** The properties of painting on any graph of port classes. tensorflow-goldens.test.ts compares its decisions with TensorFlow's. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { EffuseError } from '../../../src/ir/diagnostics.ts'
import { castsOf, paint, type PaintGraph, type PaintVertex } from '../../../src/passes/mixed-precision/painting.ts'
import type { Assignment, Edge } from '../../../src/passes/mixed-precision/port-graph.ts'

const classes = ['allow', 'deny', 'infer', 'clear', 'wide'] as const
const aVertex = fc.record({
  class: fc.constantFrom(...classes, 'allow' as const, 'infer' as const, 'clear' as const),
  op: fc.constantFrom('mean', 'softmax', ''),
  canBeHalf: fc.integer({ min: 0, max: 5 }).map((n) => n > 0),
  kind: fc.constantFrom('plain', 'plain', 'plain', 'plain', 'cast', 'barrier'),
  startsPaint: fc.boolean(),
})

/** Acyclic graphs, with vertices in topological order. A cast's result has no operand edge, since its operand has another type. */
const aGraph: fc.Arbitrary<PaintGraph> = fc.array(aVertex, { minLength: 1, maxLength: 16 }).chain((drawn) => {
  const vertices = drawn.map(({ kind, ...vertex }, id): PaintVertex => {
    const isCast = kind === 'cast'
    return { ...vertex, id, name: `v${id}`, isHalf: false, isCast, isBarrier: isCast || kind === 'barrier' }
  })
  const usersOf = (id: number): readonly number[] => vertices.filter((v) => v.id > id && !v.isCast).map((v) => v.id)
  const edges = vertices.map((v) =>
    fc.record({
      from: fc.constant(v.id),
      to: fc.subarray([...usersOf(v.id)], { maxLength: Math.min(4, usersOf(v.id).length) }),
      bytes: fc.constant(2),
      isFree: fc.boolean(),
    }),
  )
  return fc.tuple(...edges, ...edges).map((made) => ({ vertices, edges: made.filter(({ to }) => to.length > 0) }))
})
const options = fc.record({ followAllow: fc.boolean() })

/** The ids that a traversal along values reaches while `passes` holds. */
const after = (graph: PaintGraph, start: number, passes: (v: PaintVertex) => boolean): ReadonlySet<number> => {
  const reached = new Set<number>()
  const visit = (id: number): void => {
    for (const user of graph.edges.filter((e) => e.from === id).flatMap((e) => e.to)) {
      const vertex = graph.vertices[user]
      if (vertex === undefined || reached.has(user) || !passes(vertex)) continue
      reached.add(user)
      visit(user)
    }
  }
  visit(start)
  return reached
}
const isDenied = (v: PaintVertex): boolean => v.class === 'deny' || (v.class === 'wide' && v.op === 'mean')
const isInferred = (v: PaintVertex): boolean => v.class === 'infer' || (v.class === 'wide' && v.op !== 'mean')

describe('properties', () => {
  test('only what can be half becomes half', () => {
    fc.assert(
      fc.property(aGraph, options, (graph, given) => {
        const half = paint(graph, given)
        expect(graph.vertices.filter((v) => half[v.id] === true && !v.canBeHalf)).toEqual([])
      }),
    )
  })

  test('denied ops and all infer ops that they reach stay float32', () => {
    fc.assert(
      fc.property(aGraph, options, (graph, given) => {
        const half = paint(graph, given)
        const passes = (v: PaintVertex): boolean => v.isBarrier !== true && (isInferred(v) || v.class === 'clear')
        for (const v of graph.vertices) {
          if (!isDenied(v) || v.isBarrier === true) continue
          expect(half[v.id]).toBe(false)
          for (const id of after(graph, v.id, passes)) {
            const reached = graph.vertices[id]
            if (reached !== undefined && isInferred(reached))
              expect([reached.name, half[id]]).toEqual([reached.name, false])
          }
        }
      }),
    )
  })

  test('allow ops become half if possible', () => {
    fc.assert(
      fc.property(aGraph, options, (graph, given) => {
        const half = paint(graph, given)
        const allowed = graph.vertices.filter((v) => v.class === 'allow' && v.canBeHalf && v.isBarrier !== true)
        expect(allowed.filter((v) => half[v.id] !== true)).toEqual([])
      }),
    )
  })

  test('the order of vertices matters only for followAllow', () => {
    const shuffled = aGraph.chain((graph) =>
      fc.tuple(
        fc.constant(graph),
        fc.shuffledSubarray(
          graph.vertices.map((v) => v.id),
          { minLength: graph.vertices.length },
        ),
      ),
    )
    fc.assert(
      fc.property(shuffled, ([graph, order]) => {
        const placeOf = (id: number): number => order.indexOf(id)
        const vertices = order.map((id, place) => ({ ...(graph.vertices[id] as PaintVertex), id: place })) // order permutes ids
        const edges = graph.edges.map((e): Edge => ({ ...e, from: placeOf(e.from), to: e.to.map(placeOf) }))
        const half = paint({ vertices, edges })
        expect(graph.vertices.map((v) => half[placeOf(v.id)])).toEqual(paint(graph))
      }),
    )
  })

  test('followAllow only adds', () => {
    fc.assert(
      fc.property(aGraph, (graph) => {
        const more = paint(graph, { followAllow: true })
        expect(paint(graph).filter((half, id) => half && more[id] !== true)).toEqual([])
      }),
    )
  })

  test('a graph with its casts needs no more painting', () => {
    fc.assert(
      fc.property(aGraph, options, (graph, given) => {
        const rewritten = withCasts(graph, paint(graph, given))
        const again = paint(rewritten, given)
        expect(again).toEqual(rewritten.vertices.map((v) => v.isHalf))
        expect(castsOf(rewritten, again)).toEqual([])
      }),
    )
  })

  test('there is one cast per value and type', () => {
    fc.assert(
      fc.property(aGraph, fc.infiniteStream(fc.boolean()), (graph, stream) => {
        const assignment = graph.vertices.map(() => stream.next().value === true)
        const needed = graph.edges.flatMap(({ from, to }, i) =>
          to.filter((user) => assignment[user] !== assignment[from]).map((user) => `${i} ${assignment[user]}`),
        )
        const casts = castsOf(graph, assignment)
        const spelt = casts.map(({ edge, kind }) => `${graph.edges.indexOf(edge)} ${kind === 'narrow'}`)
        expect(new Set(spelt)).toEqual(new Set(needed))
        expect(spelt).toHaveLength(new Set(needed).size)
      }),
    )
  })
})

/** The graph after a rewrite: painted vertices are half, and each cast has two vertices, operand and result. */
const withCasts = (graph: PaintGraph, assignment: Assignment): PaintGraph => {
  const vertices = graph.vertices.map((v): PaintVertex => ({ ...v, isHalf: assignment[v.id] === true }))
  const add = (isHalf: boolean, isCast: boolean): number => {
    const id = vertices.length
    vertices.push({
      id,
      name: `cast${id}`,
      op: 'cast',
      class: 'clear',
      canBeHalf: true,
      isHalf,
      isCast,
      isBarrier: true,
    })
    return id
  }
  const casts = castsOf(graph, assignment)
  const edges = graph.edges.flatMap((edge): readonly Edge[] => {
    const cast = casts.find((c) => c.edge === edge)
    if (cast === undefined) return [edge]
    const toHalf = cast.kind === 'narrow'
    const [operand, result] = [add(!toHalf, false), add(toHalf, true)]
    const others = edge.to.filter((user) => (assignment[user] === true) === toHalf)
    return [
      { ...edge, to: [...edge.to.filter((user) => !others.includes(user)), operand] },
      { ...edge, from: result, to: others },
    ]
  })
  return { vertices, edges }
}

/** A chain: each vertex uses the previous one. */
const chain = (...made: readonly (Partial<PaintVertex> & Pick<PaintVertex, 'class'>)[]): PaintGraph => ({
  vertices: made.map((v, id) => ({ id, name: `v${id}`, op: '', canBeHalf: true, isHalf: false, ...v })),
  edges: made.slice(1).map((_, from) => ({ from, to: [from + 1], bytes: 2, isFree: false })),
})
const allow = { class: 'allow' } as const
const infer = { class: 'infer' } as const
const clear = { class: 'clear' } as const

describe('single decisions', () => {
  test.each<readonly [string, PaintGraph, Assignment]>([
    ['between two matmuls', chain(allow, infer, clear, infer, allow), [true, true, true, true, true]],
    ['after the last', chain(allow, clear, infer), [true, true, false]],
    ['a mean is denied', chain(allow, { class: 'wide', op: 'mean' }, allow), [true, false, true]],
    ['a softmax is not', chain(allow, { class: 'wide', op: 'softmax' }, allow), [true, true, true]],
    ['no paint passes a barrier', chain(allow, { ...clear, isBarrier: true }, clear, allow), [true, false, true, true]],
    ['nor starts at one', chain({ ...allow, isBarrier: true }, clear), [false, false]],
    [
      'half stays half, and paint does not pass it',
      chain(allow, { ...clear, isHalf: true }, clear),
      [true, true, false],
    ],
    [
      'nor at a contraction that stays float32',
      chain({ ...allow, canBeHalf: false }, infer, allow),
      [false, false, true],
    ],
    [
      "but as in TensorFlow it may start where the op's definition has no half",
      chain({ ...allow, canBeHalf: false, startsPaint: true }, infer, allow),
      [false, true, true],
    ],
  ])('%s', (_name, graph, expected) => expect(paint(graph)).toEqual(expected))

  test('with followAllow a chain of infer ops follows, up to what cannot be half', () => {
    const graph = chain(allow, infer, infer, { ...infer, canBeHalf: false }, infer)
    expect(paint(graph, { followAllow: true })).toEqual([true, true, true, false, false])
    expect(paint(graph)).toEqual([true, false, false, false, false])
  })

  test('casts of variables and wide results are counted separately', () => {
    const [variable, matmul, user] = chain({ ...clear, canBeHalf: false }, allow, { class: 'deny' }).vertices
    if (variable === undefined || matmul === undefined || user === undefined) throw new Error('three vertices')
    const edges = [
      { from: 0, to: [1], bytes: 2, isFree: true },
      { from: 1, to: [2], bytes: 2, isFree: false },
    ]
    const graph = { vertices: [variable, matmul, user], edges }
    expect(castsOf(graph, paint(graph))).toEqual([
      { edge: edges[0], kind: 'narrow', isFree: true },
      { edge: edges[1], kind: 'widen', isFree: false },
    ])
  })
})

describe('disconnected graphs', () => {
  const { vertices } = chain(allow, clear)
  test.each<readonly [string, () => unknown]>([
    ["vertex 'v1' has the id 1, expected its place, 0", () => paint({ vertices: [...vertices].reverse(), edges: [] })],
    [
      'an edge names the vertex 7 of 2',
      () => paint({ vertices, edges: [{ from: 0, to: [7], bytes: 2, isFree: false }] }),
    ],
    ['expected an assignment of 2 vertices, got one of 1', () => castsOf({ vertices, edges: [] }, [true])],
  ])('%s', (message, run) => {
    expect(run).toThrow(EffuseError)
    expect(run).toThrow(message)
  })
})
