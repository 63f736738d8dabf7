/** The pass on graphs: it is the identity in float64, satisfies its laws, and places exactly the casts of its certificate. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { interpret } from '../../../src/ir/interpret.ts'
import { parse } from '../../../src/ir/parse.ts'
import { print } from '../../../src/ir/print.ts'
import { genericTarget } from '../../../src/ir/target.ts'
import type { Graph } from '../../../src/ir/types.ts'
import { verify } from '../../../src/ir/verify.ts'
import { amp } from '../../../src/passes/mixed-precision/amp.ts'
import { minimumCut } from '../../../src/passes/mixed-precision/min-cut.ts'
import { ampSettings, type AmpOptions } from '../../../src/passes/mixed-precision/options.ts'
import { priceOf, settled } from '../../../src/passes/mixed-precision/port-graph.ts'
import { precisionProblem } from '../../../src/passes/mixed-precision/problem.ts'
import { countCasts } from '../../../src/passes/mixed-precision/count-casts.ts'
import { decisionOf, type AmpDecision } from '../../../src/passes/mixed-precision/report.ts'
import { applyAssignment } from '../../../src/passes/mixed-precision/rewrite.ts'
import { graphOf, programOf } from '../../../src/passes/program.ts'
import { pipeline } from '../../../src/passes/pipeline.ts'
import { runPipeline } from '../../../src/passes/runner.ts'
import { anyGraph, feedsFor } from '../../../src/testing/graphs.ts'
import { anyHalfGraph } from './half-graphs.ts'
import { brokenLaws } from './laws.ts'

interface Halved {
  readonly graph: Graph
  readonly decision: AmpDecision
}
const halved = (graph: Graph, options: AmpOptions = {}, wideOutputs = true): Halved => {
  const { program } = runPipeline(pipeline([amp(options)]), programOf(graph), {
    target: { ...genericTarget, wideOutputs },
    verify: true,
  })
  const after = graphOf(program)
  return { graph: after, decision: decisionOf(after) as AmpDecision }
}

/** Half of them are general graphs, half have many decisions. */
const anyProgram = fc.oneof(anyHalfGraph(), anyGraph({ stepsMax: 20 }))
const anyOptions = fc.record({
  dtype: fc.constantFrom('float16', 'bfloat16'),
  allow: fc.subarray(['tanh', 'add', 'exp', 'mean']),
  deny: fc.subarray(['relu', 'matmul', 'softmax', 'select']),
  strict: fc.boolean(),
})

const expectSame = (got: ArrayLike<number> | undefined, want: ArrayLike<number>): void =>
  expect(Array.from(got ?? [])).toEqual(Array.from(want))

describe('on random graphs', () => {
  test('the identity in float64, well-formed, with the same signature', () => {
    fc.assert(
      fc.property(anyProgram, anyOptions, fc.boolean(), fc.nat(1000), ({ graph }, options, wide, seed) => {
        const after = halved(graph, options, wide).graph
        const feeds = { ...feedsFor(graph, seed), mode: 'float64' } as const
        const [want, got] = [interpret(graph, feeds), interpret(after, feeds)]
        expect(after.inputs).toEqual(graph.inputs)
        expect(Object.keys(got.outputs)).toEqual(Object.keys(want.outputs))
        for (const [name, tensor] of Object.entries(want.outputs)) {
          expect(got.outputs[name]?.dtype).toBe(tensor.dtype)
          expectSame(got.outputs[name]?.data, tensor.data)
        }
        for (const [name, tensor] of want.updates) expectSame(got.updates.get(name)?.data, tensor.data)
      }),
      { numRuns: 250 },
    )
  })

  test('satisfies its laws, and the graph has the casts of the certificate', () => {
    fc.assert(
      fc.property(anyProgram, anyOptions, fc.boolean(), ({ graph }, options, wide) => {
        const { graph: after, decision } = halved(graph, options, wide)
        expect(brokenLaws(graph, after, options.dtype, options)).toEqual([])
        expect(decision.report.casts).toBe(priceOf(decision.problem.ports, decision.isHalf).casts)
        expect(decision.report.casts).toBe(decision.report.lowerBound)
      }),
      { numRuns: 250 },
    )
  })

  test('denying a contraction and allowing its activation adds a cast between them', () => {
    const graph = parse(`graph forced {
      %0 = input() {name="x"} : float32[2,3]
      %1 = matmul(%0, %0) {transposeB=true} : float32[2,2]
      %2 = tanh(%1) : float32[2,2]
      return y = %2
    }`)
    const options = { allow: ['tanh'], deny: ['matmul'] }
    const { graph: after, decision } = halved(graph, options, false)
    expect(brokenLaws(graph, after, 'float16')).toEqual([
      expect.stringMatching(/^between a contraction and its epilogue/),
    ])
    expect(brokenLaws(graph, after, 'float16', options)).toEqual([])
    expect(decision.report).toMatchObject({ casts: 2, lowerBound: 2 })
  })

  test('any other assignment is also applied, and none has fewer casts for as many contractions', () => {
    const target = { ...genericTarget, fastHalfDepthwise: false }
    fc.assert(
      fc.property(
        anyProgram,
        anyOptions,
        fc.infiniteStream(fc.boolean()),
        fc.nat(1000),
        ({ graph }, given, coin, seed) => {
          const settings = ampSettings(given)
          const problem = precisionProblem(graph, settings, target)
          const { lowerBound } = minimumCut(problem.ports)
          const isHalf = problem.ports.vertices.map((v) => settled(v) ?? coin.next().value === true)
          const after = applyAssignment(graph, problem, isHalf, settings, (body) => body)
          expect(verify(after)).toEqual([])
          const feeds = { ...feedsFor(graph, seed), mode: 'float64' } as const
          const [want, got] = [interpret(graph, feeds), interpret(after, feeds)]
          for (const [name, tensor] of Object.entries(want.outputs)) expectSame(got.outputs[name]?.data, tensor.data)
          const [price, { casts }] = [priceOf(problem.ports, isHalf), countCasts(graph, after, settings.dtype)]
          expect(casts).toBeLessThanOrEqual(price.casts)
          if (price.contractions === lowerBound.contractions) expect(casts).toBeGreaterThanOrEqual(lowerBound.casts)
        },
      ),
      { numRuns: 250 },
    )
  })

  test('is idempotent', () => {
    fc.assert(
      fc.property(anyProgram, anyOptions, fc.boolean(), ({ graph }, options, wide) => {
        const once = halved(graph, options, wide).graph
        expect(print(halved(once, options, wide).graph)).toBe(print(once))
      }),
      { numRuns: 250 },
    )
  })
})

/** Cases that the properties above found. */
describe('found and kept', () => {
  test.each([
    [
      'a half copy that is written, and nothing else of it',
      `graph g {
        %x = input() {name="x"} : float32[2,3]  %w = variable() {name="w"} : float32[2,3]
        %h = cast(%x) {relaxed=true, to="float16"} : float16[2,3]  %y = cast(%h) {relaxed=true, to="float32"} : float32[2,3]
        update %w = %y
        return y = %y, other = %x
      }`,
      { casts: 0, absorbed: 0, weightCasts: 0 },
    ],
    [
      'a result that is float32 as written, where the machine widens none of its own',
      `graph g {
        %x = input() {name="x"} : float32[1,4,4,2]  %k = variable() {name="k"} : float32[1,1,2,2]
        %h = cast(%x) {to="float16"} : float16[1,4,4,2]
        %g = conv2dFilterGradient(%h, %h) {filterShape=[1, 1, 2, 2], resultDtype="float32"} : float32[1,1,2,2]
        %y = conv2d(%x, %k) : float32[1,4,4,2]
        update %k = %g
        return y = %y
      }`,
      { casts: 1, absorbed: 0, weightCasts: 1 },
    ],
    [
      'a value that is rounded and widened again as written, and wanted in float32 besides',
      `graph g {
        %x = input() {name="x"} : float32[1,4,4,2]  %k = variable() {name="k"} : float32[1,1,2,2]
        %y = conv2d(%x, %k) : float32[1,4,4,2]
        %h = cast(%y) {to="float16"} : float16[1,4,4,2]  %r = cast(%h) {to="float32"} : float32[1,4,4,2]
        return y = %y, rounded = %r
      }`,
      { casts: 1, absorbed: 0, weightCasts: 1 },
    ],
    [
      'an activation on the way into a variable stays with its convolution',
      `graph g {
        %x = input() {name="x"} : float32[1,4,4,2]  %k = variable() {name="k"} : float32[1,1,2,2]  %v = variable() {name="v"} : float32[2]
        %y = conv2d(%x, %k) : float32[1,4,4,2]  %z = silu(%y) : float32[1,4,4,2]
        %s = reduceSum(%z) {axes=[0, 1, 2]} : float32[2]
        update %v = %s
        return x = %x
      }`,
      { casts: 2, absorbed: 0, weightCasts: 1 },
    ],
  ] as const)('%s', (_name, text, counts) => {
    const graph = parse(text)
    const { graph: after, decision } = halved(graph, {}, false)
    expect(brokenLaws(graph, after, 'float16')).toEqual([])
    expect(decision.report).toMatchObject({ ...counts, lowerBound: counts.casts })
  })
})
