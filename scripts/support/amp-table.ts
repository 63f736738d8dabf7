/** The table of docs/amp.md: casts in EfficientNet under each strategy, with and without wide results. */
import { liveOrder } from '../../src/ir/graph.ts'
import { opDef } from '../../src/ir/ops/index.ts'
import { genericTarget } from '../../src/ir/target.ts'
import type { Graph } from '../../src/ir/types.ts'
import { efficientNet, type Variant } from '../../src/models/efficientnet.ts'
import { amp } from '../../src/passes/mixed-precision/amp.ts'
import type { StrategyName } from '../../src/passes/mixed-precision/options.ts'
import { type AmpReport, decisionOf } from '../../src/passes/mixed-precision/report.ts'
import { graphOf, programOf } from '../../src/passes/program.ts'
import { pipeline } from '../../src/passes/pipeline.ts'
import { inferencePipeline, trainingPipeline } from '../../src/passes/standard-pipelines.ts'
import { runPipeline } from '../../src/passes/runner.ts'
import { trainingStepOf } from '../../src/cli/common.ts'
import { stepOptionsOf } from '../../src/passes/train/declaration.ts'

const variants: readonly Variant[] = ['b0', 'b1', 'b2', 'b3', 'b4', 'b5', 'b6', 'b7']
const [backend, switches] = [
  { legalize: [], fuse: [] },
  { simplify: true, fusion: true },
]

/** The input graph of the pass: simplified, with composites. */
const graphFor = (variant: Variant, train: boolean): Graph => {
  const model = efficientNet(variant) // a model of any signature
  const step = trainingStepOf(model)
  const options = stepOptionsOf(step)
  const passes =
    train && options !== null ? trainingPipeline(backend, switches, options) : inferencePipeline(backend, switches)
  const before = (train ? passes : passes.without('hoist-prepare')).without('dce')
  return graphOf(runPipeline(before, programOf(train ? step.at({ batch: 2 }) : model.at({ batch: 1 }))).program)
}

const report = (graph: Graph, strategy: StrategyName, wideOutputs: boolean): AmpReport => {
  const target = { ...genericTarget, wideOutputs }
  const { program } = runPipeline(pipeline([amp({ strategy })]), programOf(graph), { target })
  const decision = decisionOf(graphOf(program)) // one graph in, one out
  if (decision === null) throw new Error('the pass amp left no decision')
  return decision.report
}

const contractions = (graph: Graph): number =>
  liveOrder(graph).filter((n) => ['contraction', 'depthwise'].includes(opDef(n.op).fusion)).length

/** `casts (lower bound)`. */
const proved = (r: AmpReport): string => `${r.casts} (${r.lowerBound})`

export const ampTable = (progress: (line: string) => void, only: readonly Variant[] = variants): string => {
  const rows = only.flatMap((variant) =>
    [false, true].map((train) => {
      const graph = graphFor(variant, train)
      const wide = report(graph, 'minCut', true)
      const narrow = report(graph, 'minCut', false)
      const painted = report(graph, 'tensorflow', false)
      progress(`${variant} ${train ? 'training' : 'inference'}`)
      return [
        `${variant.toUpperCase()} ${train ? 'training' : 'inference'}`,
        contractions(graph),
        proved(wide),
        wide.absorbed,
        wide.weightCasts,
        proved(narrow),
        painted.casts,
      ]
    }),
  )
  const head = [
    'graph',
    'contractions',
    'casts (lower bound)',
    'absorbed',
    'of weights',
    'without wide results',
    "TensorFlow's painting",
  ]
  const line = (cells: readonly (string | number)[]): string => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}
