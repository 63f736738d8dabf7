/** The steps micro and apply as graphs: valid after every pass, printed and replayed at every stage, and used by explain and reports. */
import { rmSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { fuseTfjs } from '../../src/backends/tfjs/fuse-tfjs.ts'
import { runCli } from '../../src/cli/run.ts'
import { compile } from '../../src/compile.ts'
import { htmlReport, inspectReport } from '../../src/inspect/index.ts'
import { liveOrder, namedUpdates } from '../../src/ir/graph.ts'
import type { Graph } from '../../src/ir/types.ts'
import { verify } from '../../src/ir/verify.ts'
import { definePass } from '../../src/passes/pass.ts'
import { type Pipeline, pipeline } from '../../src/passes/pipeline.ts'
import { parseProgram, printProgram } from '../../src/passes/program-text.ts'
import { graphsOf, graphSteps, programOf, withSteps } from '../../src/passes/program.ts'
import { parsePipeline } from '../../src/passes/registry.ts'
import { meaningJudge } from '../../src/passes/judge.ts'
import { runPipeline } from '../../src/passes/runner.ts'
import { adam, rmsprop, sgd } from '../../src/passes/train/optimizers.ts'
import { cosine, exponential, piecewise, warmup } from '../../src/passes/train/schedules.ts'
import type { StepOptions } from '../../src/passes/train/step.ts'
import { normedNet, plainNet, rows, squaresStep } from '../support/small-steps.ts'
import { withTensorflow } from '../support/tensorflow.ts'

const everything: Partial<StepOptions> = {
  accumulate: 3,
  optimizer: rmsprop({ learningRate: warmup(exponential({ initial: 0.1, rate: 0.9, every: 2 }), { steps: 2 }) }),
  weightDecay: 0.01,
  emaDecay: 0.99,
  clipNorm: 1,
  lossScale: 'dynamic',
}
const cases: readonly (readonly [string, Partial<StepOptions>])[] = [
  ['everything', everything],
  ['nothing', { accumulate: 2 }],
  ['without accumulation', { ...everything, accumulate: 1 }],
  [
    'adam, piecewise, static scale',
    {
      accumulate: 2,
      optimizer: adam({ learningRate: piecewise({ boundaries: [3], values: [1, 0.5] }) }),
      lossScale: 2 ** 8,
    },
  ],
  [
    'nesterov, cosine, frozen',
    {
      accumulate: 4,
      optimizer: sgd({ learningRate: cosine({ initial: 1, steps: 9 }), momentum: 0.5, nesterov: true }),
      frozen: ['second/*', 'bn/*'],
    },
  ],
]

const fusions = [{ name: fuseTfjs.name, options: {}, make: () => fuseTfjs }]

describe.each(cases)('%s', (_name, options) => {
  test.each(['reference', 'wasm', 'tfjs-wasm', ...withTensorflow] as const)(
    'on %s every stage verifies, prints, and replays to the same end',
    async (backend) => {
      const step = squaresStep(normedNet(0.25), options)
      const used: Pipeline[] = []
      using net = await compile(step, {
        backend,
        batch: 2,
        verify: true,
        passes: (p) => {
          used.push(p)
          return p
        },
      })
      await net.run({ x: rows(2, 3, 1), wanted: rows(2, 2, 2) })
      const [whole] = used
      if (whole === undefined) throw new Error('no pipeline')
      const end = printProgram(runPipeline(whole, programOf(step.at({ batch: 2 }))).program)
      let program = programOf(step.at({ batch: 2 }))
      for (const [at, pass] of whole.passes.entries()) {
        const text = printProgram(program)
        const rest = parsePipeline(pipeline(whole.passes.slice(at)).toString(), fusions)
        expect(
          printProgram(runPipeline(rest, parseProgram(text), { verify: true }).program),
          `before ${pass.name}`,
        ).toBe(end)
        program = runPipeline(pipeline([pass]), program).program
        for (const step of graphsOf(program)) expect(verify(step)).toEqual([])
      }
    },
  )
})

test('micro has the feeds and no optimizer; apply has no feeds and no forward pass', async () => {
  using net = await compile(squaresStep(normedNet(), everything), { backend: 'reference', batch: 2 })
  const [micro, apply] = (['micro', 'apply'] as const).map((plan) => {
    const graph = net.passes.findLast((record) => record.plan === plan)?.after
    if (graph === undefined) throw new Error(`no plan ${plan}`)
    return graph
  }) as [Graph, Graph] // two names, two graphs
  const named = (graph: Graph) => graph.outputs.map(({ name }) => name).sort()
  expect([micro.name, apply.name]).toEqual(['normed.micro', 'normed.apply'])
  expect(named(micro)).toEqual(['dataLoss', 'finite', 'learningRate', 'loss', 'lossScale', 'updated'])
  expect(named(apply)).toEqual(['finite', 'learningRate', 'lossScale', 'updated'])
  expect([micro.inputs.length, apply.inputs.length]).toEqual([2, 0])
  const ops = (graph: Graph) => new Set(liveOrder(graph).map((n) => n.op))
  for (const op of ['matmul', 'batchNormTraining'] as const)
    expect([ops(micro).has(op), ops(apply).has(op)]).toEqual([true, false])
  for (const op of ['rmsprop', 'ema', 'lossScaleUpdate'] as const)
    expect([ops(micro).has(op), ops(apply).has(op)]).toEqual([false, true])
  // Each variable is updated by exactly one of them, and variables without an update are not written.
  const updated = (graph: Graph) => namedUpdates(graph).map(({ name }) => name)
  const both = [...updated(micro), ...updated(apply)].filter((name) => !name.startsWith('accumulate/'))
  expect(new Set(both).size).toBe(both.length)
  expect(new Set([...both, ...net.variables.names('accumulate/**')])).toEqual(new Set(net.variables.names()))
})

test('explain follows a layer into both plans, and reports no node as removed that is in one of them', async () => {
  using net = await compile(squaresStep(plainNet, everything), { backend: 'reference', batch: 2, xla: false })
  const { became, history } = net.explain('dense')
  const places = became.map(({ plan, node }) => `${plan} ${/= (\w+)\(/.exec(node)?.[1]}`)
  expect(places).toContain('micro matmul')
  expect(places).toContain('apply rmsprop')
  expect(places).not.toContain('apply matmul')
  const split = history.find(({ pass }) => pass === 'accumulate')?.what
  expect(split).toContain('made variable')
  // Only the gradient with respect to the input is unused: everything else is in one plan or the other.
  expect(split?.match(/removed \w+/g)).toEqual(['removed matmul'])
})

test('reports show the plans that run, and that it is a training step', async () => {
  const step = squaresStep(plainNet, everything)
  using net = await compile(step, { backend: 'reference', batch: 2 })
  const report = inspectReport(step, net, 2)
  expect(report.train).toBe(true)
  expect(report.passes.filter(({ name }) => name === 'accumulate').map(({ plan, report: r }) => [plan, r])).toEqual([
    ['micro', { accumulators: 2 }],
    ['apply', { accumulators: 2 }],
  ])
  const page = htmlReport(step, net, 2)
  expect([...page.matchAll(/<details><summary>(\w+), /g)].map((m) => m[1])).toEqual(['micro', 'apply'])
  expect(page).toMatch(/<tr><td>dense<\/td>(<td>[^<]+<\/td>){3}<td>[1-9]\d*<\/td><\/tr>/)
})

test('the meaning of each plan is checked, and a pass that changes it is reported', () => {
  const step = squaresStep(plainNet, everything)
  const { program } = runPipeline(
    parsePipeline(
      'to-training,scale-loss,differentiate{loss=scaledLoss},unscale,guard-updates,learning-rate,accumulate,apply-optimizer',
    ),
    programOf(step.at({ batch: 2 })),
  )
  for (const wrong of ['micro', 'apply'] as const) {
    const forgetting = definePass({
      name: 'forgetting',
      summary: 'loses the updates of one plan',
      phase: 'simplify',
      preserves: 'bits',
      runProgram: (all) =>
        withSteps(
          all,
          graphSteps(all).map((step) =>
            step.name === wrong ? { ...step, graph: { ...step.graph, updates: [] } } : step,
          ),
        ),
    })
    expect(() => runPipeline(pipeline([forgetting]), program, { judge: meaningJudge })).toThrow(
      expect.objectContaining({
        code: 'EF303',
        message: expect.stringMatching(/^pass 'forgetting': it changed what .* is gone/),
      }),
    )
  }
})

test('the reproducer of a failure after the split replays on the command line', async () => {
  const failing = definePass({
    name: 'cse', // a name that effuse opt knows as a pass that does not fail
    summary: 'throws',
    phase: 'grad',
    preserves: 'mode',
    run: () => {
      throw new TypeError('oh')
    },
  })
  const error: Error = await compile(squaresStep(plainNet, everything), {
    backend: 'reference',
    batch: 2,
    passes: (p) => p.after('weight-decay', failing),
  }).then(
    () => new Error('nothing failed'),
    (e: unknown) => (e instanceof Error ? e : new Error(String(e))),
  )
  const [, file = '', passes = ''] = /effuse opt (\S+) --stage tensor --passes '(.*)'$/.exec(error.message) ?? []
  const out: string[] = []
  try {
    const io = { out: (text: string) => out.push(text), err: () => {} }
    expect(await runCli(['opt', file, '--stage', 'tensor', '--passes', passes, '--json'], io as never)).toBe(0)
  } finally {
    rmSync(file)
  }
  const { graphs }: { readonly graphs: readonly string[] } = JSON.parse(out.join('\n'))
  expect(graphs.map((text) => /^graph (\S+)/.exec(text)?.[1])).toEqual(['plain.micro', 'plain.apply'])
})
