/**
 * Automatic mixed precision: contractions in half, with a minimal number of casts and the proof of that number.
 * Variables stay float32 and are cast where they are used. Sums, statistics and numerically sensitive ops are float32 inside.
 * In the interpreter's mode 'float64' the pass is the identity.
 */
import type { Fault } from '../../ir/check-record.ts'
import { EffuseError } from '../../ir/diagnostics.ts'
import { liveOrder } from '../../ir/graph.ts'
import { globFilter } from '../../ir/glob.ts'
import type { TargetInfo } from '../../ir/target.ts'
import type { Graph, Node } from '../../ir/types.ts'
import { definePass, type ProgramPass } from '../pass.ts'
import type { Precision } from '../pipelines.ts'
import { graphsOf, mapGraphs } from '../program.ts'
import { nameInLists } from './classes.ts'
import { countCasts } from './count-casts.ts'
import { explainPrecision } from './explain.ts'
import { minimumCut } from './min-cut.ts'
import { ampFault, ampSettings, statedOptions, unknownOp, type AmpOptions, type AmpSettings } from './options.ts'
import { paint } from './painting.ts'
import { precisionProblem } from './problem.ts'
import { rememberDecision, type AmpDecision } from './report.ts'
import { applyAssignment } from './rewrite.ts'
import { layerPath } from './settled.ts'
import type { PassFactory } from '../pass-factory.ts'

/**
 * The pass. It runs after differentiation and before decomposition, so that composites are classified as a whole.
 * @throws EffuseError EF403: an option is wrong, a list names an unknown op, or a glob in `keep` matches no path.
 * @example
 * const { program } = runPipeline(parsePipeline('to-inference').append(amp({ dtype: 'float16' })), programOf(model.at({ batch: 1 })))
 * printProgram(program) // conv2d takes float16
 */
export const amp = (options: AmpOptions = {}): ProgramPass => {
  const wrong = ampFault(options)
  if (wrong !== null) throw new EffuseError({ code: 'EF403', ...wrong })
  const settings = ampSettings(options)
  return definePass({
    name: 'amp',
    summary: 'mixed precision',
    phase: 'amp',
    preserves: 'precision',
    options: statedOptions(settings),
    runProgram: (program, cx) => {
      checkNames(
        [program, cx.declared].flatMap((of) => (of === undefined ? [] : graphsOf(of))),
        settings,
      )
      return mapGraphs(program, (graph) => {
        const { after, decision } = decide(graph, settings, cx.target)
        rememberDecision(after, decision, (isAsked) => explainPrecision(decision, isAsked))
        const { casts, absorbed, weightCasts, warnings } = decision.report
        cx.report('casts', casts)
        cx.report('absorbed', absorbed)
        cx.report('weight casts', weightCasts)
        cx.report('literals kept in float32', warnings.length)
        return after
      })
    },
  })
}

/** The pass with its settings, for the pipelines. */
export const precisionOf = (settings: AmpSettings): Precision => ({ settings, pass: amp(settings) })

const decide = (
  graph: Graph,
  settings: AmpSettings,
  target: TargetInfo,
): { readonly after: Graph; readonly decision: AmpDecision } => {
  // TensorFlow's kernels have no wide results, so its strategy does not use those of the machine.
  const machine = settings.strategy === 'tensorflow' ? { ...target, wideOutputs: false } : target
  const problem = precisionProblem(graph, settings, machine)
  const { assignment, lowerBound } = minimumCut(problem.ports)
  const isHalf = settings.strategy === 'minCut' ? assignment : paint(problem.ports, settings)
  const after = applyAssignment(graph, problem, isHalf, settings, (body) => decide(body, settings, target).after)
  const { strategy, dtype } = settings
  const counts = countCasts(graph, after, dtype)
  const report = { ...counts, strategy, dtype, lowerBound: lowerBound.casts, warnings: problem.warnings }
  return { after, decision: { graph, problem, isHalf, settings, report } }
}

/**
 * Names and globs that mean nothing are mistakes: a misspelt `keep` would leave a layer in half unnoticed. What was declared counts
 * too: a dropout that exists in training only may be named for inference too.
 */
const checkNames = (graphs: readonly Graph[], settings: AmpSettings): void => {
  const nodes = graphs.flatMap(liveOrder)
  const composites = new Set(nodes.flatMap((n) => (n.op === 'composite' ? [nameInLists(n)] : [])))
  const fault = unknownOp(settings, composites) ?? keepFault(nodes, settings)
  if (fault !== null) throw new EffuseError({ code: 'EF403', ...fault })
}

const keepFault = (nodes: readonly Node[], { keep }: AmpSettings): Fault | null => {
  const paths = [...new Set(nodes.map((n) => layerPath(n.path)))].filter((path) => path !== '')
  const idle = keep.find((glob) => !paths.some(globFilter(glob.replace(/^!/, ''))))
  return idle === undefined
    ? null
    : {
        message: `"keep" names "${idle}", which fits no path`,
        hint: `paths look like ${paths.slice(0, 3).join(', ') || 'none: no node has one'}`,
      }
}

export const ampFactory: PassFactory = {
  name: 'amp',
  options: {
    dtype: 'float16 (default) or bfloat16',
    strategy: 'minCut (default) or tensorflow',
    allow: 'names of ops, a list',
    deny: 'names of ops, a list',
    keep: 'globs of paths that stay float32, a list',
    followAllow: 'true: the strategy tensorflow as of 2.21',
    strict: 'true: casts round, whatever a kernel could keep',
  },
  make: (options) => {
    const fault = ampFault(options)
    if (fault !== null) throw new EffuseError({ code: 'EF302', ...fault })
    return amp(options as AmpOptions) // checked
  },
}
