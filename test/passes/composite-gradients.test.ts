/** Gradients of users' composites equal those of their bodies. They are composites, which mixed precision treats like the originals. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  add,
  compile,
  composite,
  crossEntropy,
  exp,
  float32,
  gradients,
  graph,
  mean,
  mul,
  nn,
  sgd,
  sigmoid,
  sub,
  tanh,
  trainingStep,
  type Value,
} from '../../src/index.ts'
import type { AmpClass } from '../../src/ir/op-def.ts'
import { interpret } from '../../src/ir/interpret.ts'
import { nodesOfOp, typeOf } from '../../src/ir/graph.ts'
import type { Graph, Ref } from '../../src/ir/types.ts'
import { decisionOf } from '../../src/passes/mixed-precision/report.ts'
import { explainPrecision } from '../../src/passes/mixed-precision/explain.ts'
import { graphOf, programOf } from '../../src/passes/program.ts'
import { parsePipeline } from '../../src/passes/registry.ts'
import { runPipeline } from '../../src/passes/runner.ts'

type Tensor = Value<'float32'>
type Binary = (x: Tensor, y: Tensor) => Tensor
const bodies: readonly (readonly [name: string, body: Binary])[] = [
  ['of both operands', (x, y) => mul(tanh(mul(x, y)), sub(x, 0.5))],
  ['of one operand twice', (x) => mul(x, exp(mul(x, x)))],
  ['an operand as it is', (_x, y) => y],
  ['one in the other', (x, y) => add(composite('inner', (u: Tensor) => sigmoid(mul(u, 2)))(x), y)],
]

describe('inside a graph', () => {
  const slopes = (f: Binary, twice: boolean): Graph =>
    graph('slopes', { x: float32(2, 3), y: float32(2, 3) }, ({ x, y }) => {
      const first = gradients(mean(f(x, y)) as Value<'float32', 0>, [x, y])
      if (!twice) return { dx: first[0], dy: first[1] }
      const [dx, dy] = gradients(mean(mul(add(first[0], first[1]), x)) as Value<'float32', 0>, [x, y])
      return { dx, dy }
    }).at({ batch: 1 })
  test.each(bodies)('first and second gradients equal those of the body: %s', (_name, body) => {
    fc.assert(
      fc.property(fc.infiniteStream(fc.integer({ min: -1000, max: 1000 })), fc.boolean(), (stream, twice) => {
        const numbers = (): Float64Array => Float64Array.from({ length: 6 }, () => stream.next().value / 1000)
        const feeds = { inputs: { x: numbers(), y: numbers() }, mode: 'float64' } as const
        const want = interpret(slopes(body, twice), feeds).outputs
        const got = interpret(slopes(composite('f', body), twice), feeds).outputs
        for (const name of ['dx', 'dy'])
          want[name]?.data.forEach((w, i) => {
            expect(got[name]?.data[i]).toBeCloseTo(w, 12)
          })
      }),
      { numRuns: 50 },
    )
  })
})

describe('in a training step under mixed precision', () => {
  const square = (x: Tensor): Tensor => mul(mul(x, x), 3)
  const net = (amp: AmpClass) =>
    graph('net', { x: float32('batch', 4) }, ({ x }) => {
      const inner = composite('square', square, { amp })(nn.dense(x, { units: 8, name: 'first' }))
      return { logits: nn.dense(inner as typeof x, { units: 3, name: 'second' }) }
    })
  const step = (amp: AmpClass) =>
    trainingStep(net(amp), { loss: crossEntropy(), optimizer: sgd({ learningRate: 0.1 }) })
  const options = { backend: 'reference', batch: 2 } as const
  const typesIn = (graph: Graph): readonly (readonly string[])[] =>
    nodesOfOp(graph, 'composite').map((n) =>
      [...n.inputs.map((ref: Ref) => typeOf(graph, ref)), ...n.types].map((t) => t.dtype),
    )
  const halved = async (amp: AmpClass, deny: readonly string[] = []): Promise<Graph> => {
    using trainer = await compile(step(amp), { ...options, amp: { deny }, verify: true })
    return trainer.passes.find(({ name }) => name === 'amp')?.after as Graph
  }

  test('one that is denied is float32, and so is its gradient', async () =>
    expect(typesIn(await halved('deny'))).toEqual([
      ['float32', 'float32'],
      ['float32', 'float32', 'float32'],
    ]))
  test('one that is denied by its name, too', async () =>
    expect(typesIn(await halved('infer', ['square']))).toEqual([
      ['float32', 'float32'],
      ['float32', 'float32', 'float32'],
    ]))
  test('a wide one is half at its ends and float32 inside, and so is its gradient', async () => {
    const graph = await halved('wide')
    expect(typesIn(graph)).toEqual([
      ['float16', 'float16'],
      ['float16', 'float16', 'float16'],
    ])
    for (const { attrs } of nodesOfOp(graph, 'composite'))
      expect(new Set(nodesOfOp(attrs.body, 'mul').map((n) => n.types[0]?.dtype))).toEqual(new Set(['float32']))
  })
  test('one without a class is decomposed: its ops have their own classes', async () =>
    expect(typesIn(await halved('infer'))).toEqual([]))
  test('the proposal of explain names the composite, not its gradient', async () => {
    const decision = decisionOf(await halved('allow'))
    const notes = decision === null ? [] : explainPrecision(decision, (n) => n.op === 'composite')
    expect(notes.map(({ dtype }) => dtype)).toEqual(['float16', 'float16'])
    for (const { change } of notes) expect(change).toContain("deny: ['square']")
  })
  test.each(['deny', 'wide', 'allow'] as const)(
    'a step with a composite of class %s updates the weights like a step without it',
    async (amp) => {
      using plain = await compile(step(amp), options)
      using half = await compile(step(amp), { ...options, amp: { dtype: 'float16' } })
      using onWasm = await compile(step(amp), { backend: 'tfjs-wasm', batch: 2, amp: { emulate: true } })
      const feeds = {
        x: [
          [0.1, -0.4, 0.3, 0.9],
          [0.7, 0.2, -0.6, 0.5],
        ],
        label: [0, 2],
      }
      const moved = await Promise.all(
        [plain, half, onWasm].map(async (trainer) => {
          await trainer.run(feeds)
          return trainer.variables.get('first/kernel')
        }),
      )
      const [want] = moved
      for (const got of moved) got.forEach((g, i) => expect(Math.abs(g - (want?.[i] ?? Number.NaN))).toBeLessThan(2e-3))
    },
  )
})

test('the pass that keeps them has a text form', () => {
  const text = 'decompose{ops=["composite"], classes=["infer","clear"], except=["square"]}'
  expect(parsePipeline(text).toString()).toBe(text)
  expect(() => parsePipeline('decompose{classes=["sharp"]}')).toThrow(expect.objectContaining({ code: 'EF302' }))
})

test('composites in composites are decomposed at any depth', () => {
  type Op = (x: Value<'float32', 1>) => Value<'float32', 1>
  const levels = 40
  let nested: Op = (x) => add(x, 1)
  for (let level = 0; level < levels; level++) {
    const inner = nested
    nested = composite(`level${level}`, (x: Value<'float32', 1>) => add(inner(x), 1))
  }
  const before = graph('deep', { x: float32(2) }, ({ x }) => ({ y: nested(x) })).at({ batch: 1 })
  const after = graphOf(runPipeline(parsePipeline('decompose'), programOf(before)).program)
  expect(nodesOfOp(after, 'composite')).toEqual([])
  expect([...(interpret(after, { inputs: { x: [3, 5] } }).outputs['y']?.data ?? [])]).toEqual([
    3 + levels + 1,
    5 + levels + 1,
  ])
})
