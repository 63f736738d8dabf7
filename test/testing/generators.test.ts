/** The frequencies of what the generators draw, counted over graphs of one seed. A generator that stops drawing something would hide faults. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { interpret } from '../../src/ir/interpret.ts'
import { liveOrder, refKey, usesOf, variablesOf } from '../../src/ir/graph.ts'
import { opDef } from '../../src/ir/ops/index.ts'
import type { Graph, Node } from '../../src/ir/types.ts'
import { runPipeline } from '../../src/passes/runner.ts'
import { meaningJudge } from '../../src/passes/judge.ts'
import { programOf } from '../../src/passes/program.ts'
import { parsePipeline } from '../../src/passes/registry.ts'
import {
  anyGraph,
  anyNetwork,
  anyNumber,
  anyPipeline,
  anyTrainingStep,
  anyType,
  feedsFor,
  opCases,
  type CaseOp,
} from '../../src/testing/index.ts'
import { stepOptionsOf } from '../../src/passes/train/declaration.ts'
import { elements } from '../../src/ir/types.ts'

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

describe('graphs with special numbers', () => {
  const special = fc.sample(anyGraph({ specials: true, mixedTypes: false }), { numRuns: 200, seed })
  /** The results of all nodes except inputs. */
  const computed = ({ graph }: (typeof special)[number], seed: number): readonly number[] => {
    const numbers: number[] = []
    interpret(graph, {
      ...feedsFor(graph, seed),
      mode: 'declared',
      onNode: ({ op }, results) => {
        if (op !== 'input' && op !== 'variable') for (const { data } of results) numbers.push(...data)
      },
    })
    return numbers
  }
  const all = special.map(computed)
  test.each([
    ['a NaN that arithmetic makes', 0.25, Number.isNaN],
    ['an infinity that arithmetic makes', 0.15, (x: number) => Math.abs(x) === Infinity],
    ['a subnormal number', 0.1, (x: number) => x !== 0 && Math.abs(x) < 2 ** -126],
    ['a huge number', 0.2, (x: number) => Number.isFinite(x) && Math.abs(x) > 2 ** 100],
    ['a zero below zero', 0.1, (x: number) => Object.is(x, -0)],
  ] as const)('%s: at least %f of them', (_what, least, has) => {
    expect(share(all, (numbers) => numbers.some(has))).toBeGreaterThanOrEqual(least)
  })
  test('sizes 5 and 7', () => {
    const shapes = special.map(({ graph }) => liveOrder(graph).flatMap(({ types }) => types.flatMap((t) => t.shape)))
    expect(share(shapes, (sizes) => sizes.includes(7) || sizes.includes(35))).toBeGreaterThan(0.3)
  })
})

describe('types, numbers, networks, training steps, pipelines', () => {
  const types = fc.sample(anyType({ elementsMax: 100 }), { numRuns: 400, seed })
  test.each([
    ['a scalar', 0.1, ({ shape }) => shape.length === 0],
    ['four axes', 0.05, ({ shape }) => shape.length === 4],
    ['a size of 1', 0.15, ({ shape }) => shape.includes(1)],
    ['an odd size above 1', 0.5, ({ shape }) => shape.some((n) => n > 1 && n % 2 === 1)],
    ['a prime above 3', 0.3, ({ shape }) => shape.some((n) => [5, 7, 11, 13].includes(n))],
    ['a half type', 0.25, ({ dtype }) => dtype === 'float16' || dtype === 'bfloat16'],
    ['integers', 0.1, ({ dtype }) => dtype === 'int32'],
    ['bool', 0.1, ({ dtype }) => dtype === 'bool'],
  ] satisfies readonly [string, number, (type: (typeof types)[number]) => boolean][])(
    'a type with %s: at least %f of them',
    (_what, least, has) => {
      expect(share(types, has)).toBeGreaterThanOrEqual(least)
    },
  )
  test('no type has more elements than requested', () => {
    expect(Math.max(...types.map(({ shape }) => elements(shape)))).toBeLessThanOrEqual(100)
  })

  test('numbers are float32 of all magnitudes, with special numbers only on request', () => {
    const [finite, every] = [anyNumber(), anyNumber({ finite: false })].map((numbers) =>
      fc.sample(numbers, { numRuns: 800, seed }),
    ) as [number[], number[]]
    expect(finite.every((x) => Number.isFinite(x) && Object.is(Math.fround(x), x))).toBe(true)
    for (const has of [
      (x: number) => x !== 0 && Math.abs(x) < 2 ** -126,
      (x: number) => Math.abs(x) >= 2 ** 100,
      (x: number) => Object.is(x, -0),
    ])
      expect(share(finite, has)).toBeGreaterThan(0.02)
    for (const has of [Number.isNaN, (x: number) => x === Infinity, (x: number) => x === -Infinity])
      expect(share(every, has)).toBeGreaterThan(0.02)
  })

  test('networks have every kind of layer, and build', () => {
    const networks = fc.sample(anyNetwork(), { numRuns: 60, seed }).map((model) => model.at({ batch: 2 }))
    for (const op of ['conv2d', 'depthwiseConv2d', 'batchNorm', 'dropout', 'maxPool2d', 'avgPool2d', 'silu'] as const)
      expect(
        share(
          networks,
          some((node) => node.op === op),
        ),
        op,
      ).toBeGreaterThan(op === 'batchNorm' ? 0.99 : 0.1)
  })

  test('training steps have every optimizer and option', () => {
    const options = fc.sample(anyTrainingStep(), { numRuns: 60, seed }).map((step) => stepOptionsOf(step))
    expect(new Set(options.map((option) => option?.optimizer.kind)).size).toBe(3)
    for (const has of ['emaDecay', 'clipNorm', 'weightDecay'] as const)
      expect(
        share(options, (option) => (option?.[has] ?? 0) > 0),
        has,
      ).toBeGreaterThan(0.2)
    expect(share(options, (option) => option?.accumulate === 2)).toBeGreaterThan(0.2)
    expect(new Set(options.map((option) => option?.lossScale))).toEqual(new Set(['none', 'dynamic', 1024]))
  })

  test('pipelines contain every pass, and preserve the results of any graph', () => {
    const texts = fc.sample(anyPipeline(), { numRuns: 100, seed }).map(({ text }) => text.split(','))
    expect(new Set(texts.flat()).size).toBe(7)
    expect(share(texts, (names) => new Set(names).size < names.length)).toBeGreaterThan(0.1)
    fc.assert(
      fc.property(anyPipeline(), anyGraph({ mixedTypes: false }), ({ pipeline }, { graph }) => {
        runPipeline(pipeline, programOf(graph), { verify: true, judge: meaningJudge })
      }),
      { numRuns: 30 },
    )
  })
})

test('passes that preserve bits keep NaN, infinities, signed zeros and the limits of float32', () => {
  fc.assert(
    fc.property(anyGraph({ specials: true }), ({ graph }) => {
      runPipeline(parsePipeline('to-inference,cse,dce,cse'), programOf(graph), { verify: true, judge: meaningJudge })
    }),
    { numRuns: 60 },
  )
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
  test('the graph computes special numbers: operands of the op have them, feeds do not', () => {
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
