/** The shares of what the generators draw, counted over graphs of one seed. A generator that stops drawing something would hide faults. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { interpret } from '../../src/ir/interpret.ts'
import { liveOrder, refKey, usesOf, variablesOf } from '../../src/ir/graph.ts'
import { opDef } from '../../src/ir/ops/index.ts'
import type { Graph, Node } from '../../src/ir/types.ts'
import { anyGraph, opCases, type CaseOp } from '../../src/testing/index.ts'
import { kernelCases } from '../../src/testing/verify/kernel-cases.ts'

const seed = 1
const graphs = fc.sample(anyGraph({ stepsMax: 14 }), { numRuns: 400, seed }).map(({ graph }) => graph)
const share = <T>(items: readonly T[], has: (item: T) => boolean): number => items.filter(has).length / items.length
const some = (has: (node: Node) => boolean) => (graph: Graph) => liveOrder(graph).some(has)
const views = new Set(['reshape', 'transpose', 'broadcast', 'slice', 'reverse', 'pad', 'concatenate'])

describe('graphs', () => {
  test.each([
    ['a view of a value', 0.4, some(({ op }) => views.has(op))],
    [
      'a view of a view',
      0.1,
      (g: Graph) =>
        some(({ op, inputs }) => views.has(op) && inputs.some(({ id }) => views.has(g.nodes[id]?.op ?? '')))(g),
    ],
    ['a value used more than once', 0.3, (g: Graph) => [...usesOf(g).values()].some((uses) => uses.length > 1)],
    [
      'a value that is used through a view and as it is',
      0.05,
      (g: Graph) =>
        [...usesOf(g).values()].some(
          (uses) => uses.some(({ node }) => views.has(node.op)) && uses.some(({ node }) => !views.has(node.op)),
        ),
    ],
    ['a composite', 0.08, some(({ op }) => op === 'composite')],
    [
      'an op with two results, the second used',
      0.005,
      (g: Graph) => [...usesOf(g).keys(), ...g.outputs.map(({ value }) => refKey(value))].some((key) => key % 4096 > 0),
    ],
    ['two outputs', 0.6, (g: Graph) => g.outputs.length > 1],
    ['an update', 0.3, (g: Graph) => g.updates.length > 0],
    [
      'a variable that is read',
      0.3,
      (g: Graph) => variablesOf(g).some(({ id }) => usesOf(g).has(refKey({ id, port: 0 }))),
    ],
    ['a half type', 0.1, some(({ types }) => types.some(({ dtype }) => dtype === 'float16' || dtype === 'bfloat16'))],
    ['integers', 0.05, some(({ types }) => types.some(({ dtype }) => dtype === 'int32'))],
    [
      'an odd size above 1',
      0.9,
      some(({ types }) => types.some(({ shape }) => shape.some((n) => n > 1 && n % 2 === 1))),
    ],
    ['a size of 1', 0.3, some(({ types }) => types.some(({ shape }) => shape.includes(1)))],
  ] as const)('%s: at least %f of them', (_what, least, has) => {
    expect(share(graphs, has)).toBeGreaterThanOrEqual(least)
  })

  test('every op that the generator knows, in one of a few hundred', () => {
    const drawn = new Set(graphs.flatMap((graph) => liveOrder(graph).map(({ op }) => op)))
    for (const op of [
      'add',
      'mul',
      'select',
      'compare',
      'reduceSum',
      'mean',
      'softmax',
      'matmul',
      'conv2d',
      'topK',
      'cast',
      'iota',
      'composite',
      'pad',
      'concatenate',
      'constant',
    ] as const)
      expect([...drawn], op).toContain(op)
  })
})

describe('cases of ops', () => {
  const ops = Object.keys(opCases) as CaseOp[] // its keys are the ops
  test.each(ops)('%s: shapes with an odd size, and with a 1', (op) => {
    const shapes = fc
      .sample(
        opCases[op] as fc.Arbitrary<{
          readonly inputs: readonly { readonly type: { readonly shape: readonly number[] } }[]
        }>,
        { numRuns: 120, seed },
      )
      .flatMap(({ inputs }) => inputs.map(({ type }) => type.shape))
    if (shapes.every((shape) => shape.length === 0))
      return expect(opDef(op).arity === 0 || op === 'lossScaleUpdate').toBe(true)
    expect(share(shapes, (shape) => shape.some((n) => n > 1 && n % 2 === 1))).toBeGreaterThan(0.1)
    expect(share(shapes, (shape) => shape.includes(1))).toBeGreaterThan(0.1)
  })
  test('made special numbers are made by the graph: the operands of the op hold them, the feeds do not', () => {
    const made = kernelCases('maximum').find(({ name }) => name.includes('made'))
    const trials = fc.sample(made?.arbitrary as NonNullable<typeof made>['arbitrary'], { numRuns: 100, seed })
    const holds = share(trials, ({ graphs: [graph], rounds: [round] }) => {
      let found = false
      interpret(graph as Graph, {
        inputs: round?.inputs,
        onNode: (_n, results) => {
          found ||= results.some(({ data }) => data.some((x) => !Number.isFinite(x)))
        },
      })
      return found && Object.values(round?.inputs ?? {}).every((data) => data.every(Number.isFinite))
    })
    expect(holds).toBeGreaterThan(0.3)
  })
})
