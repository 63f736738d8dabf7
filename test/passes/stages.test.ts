/** The pipeline knows the stage of its graphs, and checks every later pass against it. */
import { describe, expect, test } from 'vitest'
import { compile } from '../../src/compile.ts'
import { Edit } from '../../src/ir/edit.ts'
import { liveOrder } from '../../src/ir/graph.ts'
import { interpret } from '../../src/ir/interpret.ts'
import { parse } from '../../src/ir/parse.ts'
import { verify } from '../../src/ir/verify.ts'
import { definePass, type Pass } from '../../src/passes/pass.ts'
import { inferencePipeline, trainingPipeline } from '../../src/passes/standard-pipelines.ts'
import { graphOf, programOf } from '../../src/passes/program.ts'
import { parsePipeline } from '../../src/passes/registry.ts'
import { runPipeline } from '../../src/passes/runner.ts'
import { sgd } from '../../src/passes/train/optimizers.ts'
import type { StepOptions } from '../../src/passes/train/step.ts'
import { networkOfLayers } from '../../src/testing/index.ts'
import { withTensorflow } from '../support/tensorflow.ts'

const graph = parse('graph g { %x = input() {name="x"} : float32[2,3] %y = neg(%x) : float32[2,3] return y = %y }')

/** Inserts a dropout after each result: a model-form op, which is correct before the choice of mode and wrong after it. */
const dropsOut = definePass({
  name: 'drops-out',
  summary: 'a dropout behind each negation',
  phase: 'simplify',
  preserves: 'mode',
  run: (g) => {
    const edit = new Edit(g, 'drops-out')
    for (const node of liveOrder(g)) {
      if (node.op !== 'neg') continue
      const y = { id: node.id, port: 0 }
      edit.replaceUses(y, edit.add('dropout', [y], { rate: 0.5, per: 'element', stream: 'mine' }, node))
    }
    return edit.commit()
  },
})

const run = (names: string, pass: Pass, at: string, verified: boolean) =>
  runPipeline(parsePipeline(names).after(at, pass), programOf(graph), { verify: verified })

describe('after the choice of mode no pass may leave a model-form op', () => {
  test('before the choice of mode a pass may leave one', () =>
    expect(() => run('cse,to-inference', dropsOut, 'cse', true)).not.toThrow())
  test.each([
    ['to-inference,cse', 'to-inference'],
    ['to-inference,cse,dce', 'cse'],
    ['to-inference,cse', 'cse'],
    ['to-training,cse', 'cse'],
  ])('%s, the op comes back after %s', (names, at) => {
    for (const verified of [true, false])
      expect(() => run(names, dropsOut, at, verified)).toThrow(
        expect.objectContaining({
          code: 'EF303',
          message: expect.stringMatching(
            /^pass 'drops-out': it left .*dropout is a model-form op, which this stage does not allow.*to replay: runPipeline\(pipeline\(\[.*, pass\]\), program\); pass is your 'drops-out'/s,
          ),
          diagnostics: [expect.objectContaining({ code: 'EF109' })],
        }),
      )
  })
  test('a replay from the middle fails like the whole pipeline', () => {
    const rest = parsePipeline('cse').before('cse', dropsOut)
    expect(() => runPipeline(rest, programOf(graph))).not.toThrow()
    expect(() => runPipeline(rest, programOf(graph), { stage: 'tensor' })).toThrow(/dropout is a model-form op/)
  })
  test('a pass of phase build that chooses no mode stays at the stage model', () => {
    const early = definePass({ ...dropsOut, name: 'early', phase: 'build' })
    expect(() => run('cse,to-inference', early, 'cse', true)).not.toThrow()
  })
})

describe('the anchor fuse', () => {
  const none = { legalize: [], fuse: [] }
  const step: StepOptions = { optimizer: sgd({ learningRate: 0.1 }) }
  const seen: string[] = []
  const mine = definePass({
    name: 'mine',
    summary: 'looks on',
    phase: 'simplify',
    preserves: 'bits',
    run: (g) => {
      seen.push(...liveOrder(g).map((n) => n.op))
      return g
    },
  })
  test.each([true, false])('is in every pipeline (optimized: %s)', (on) => {
    for (const p of [
      inferencePipeline(none, { simplify: on, fusion: on }),
      trainingPipeline(none, { simplify: on, fusion: on }, step),
    ])
      expect(p.before('fuse', mine).toString()).toMatch(/mine,fuse/)
  })
  test.each(['reference', 'tfjs-cpu', 'wasm', 'tfjs-wasm', ...withTensorflow] as const)(
    'a pass before it receives the program without fusions on %s',
    async (backend) => {
      seen.length = 0
      using net = await compile(networkOfLayers([[2, 0]]), {
        backend,
        passes: (p) => p.before('fuse', mine),
      })
      expect(net.passes.map((r) => r.name)).toContain('mine')
      expect(seen).toContain('conv2d')
      expect(seen).not.toContain('fusion')
    },
  )
  test('after it a fusion may not contain a fusion', () => {
    const fused = (inner: string) =>
      parse(`graph g { %x = input() {name="x"} : float32[2]
        %y = fusion(%x) {kind="loop", body=(%0: float32[2]) {
          %1 = ${inner} : float32[2]
          return %1
        }} : float32[2]
        return y = %y }`)
    const nested = fused('fusion(%0) {kind="loop", body=(%0: float32[2]) { %1 = neg(%0) : float32[2] return %1 }}')
    expect(verify(fused('neg(%0)'), { stage: 'fused' })).toEqual([])
    expect(verify(nested, { stage: 'tensor' })).toEqual([])
    expect(verify(nested, { stage: 'fused' })).toMatchObject([{ code: 'EF109', message: /cannot contain another/ }])
    expect(() => runPipeline(parsePipeline('fuse'), programOf(nested))).toThrow(/cannot contain another/)
  })
})

test('a variable that is both statistics of a batch norm has one update, by both in turn', () => {
  const v = (name: string): string => `%${name} = variable() {name="${name}"} : float32[3]`
  const text = `graph g { %x = input() {name="x"} : float32[2,3] ${['s', 'o', 'm'].map(v).join(' ')}
    %y = batchNorm(%x, %s, %o, %m, %m) {epsilon=0.001, momentum=0.5} : float32[2,3] return y = %y }`
  const after = graphOf(runPipeline(parsePipeline('to-training'), programOf(parse(text))).program)
  const variables = new Map(['s', 'o', 'm'].map((name) => [name, Float64Array.of(8, 8, 8)]))
  const { updates } = interpret(after, { inputs: { x: [1, 2, 3, 5, 6, 7] }, variables })
  // Means 3, 4, 5; unbiased variances 8: (8 / 2 + mean / 2) / 2 + 8 / 2.
  expect([...updates].map(([name, { data }]) => [name, [...data]])).toEqual([['m', [6.75, 7, 7.25]]])
})
