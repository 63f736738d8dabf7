/** The result of mixed precision for a graph: figures, counted in the graph itself, and the decision behind them, for explanations. */
import { findNode, liveOrder, typeOf } from '../../ir/graph.ts'
import type { Graph } from '../../ir/types.ts'
import type { AmpSettings, Half, StrategyName } from './options.ts'
import type { Assignment } from './port-graph.ts'
import { hasResultDtype, type PrecisionProblem } from './problem.ts'
import { isNarrowing, isWidening, staticNodes } from './statics.ts'

export interface CastCounts {
  /** Separate casts between float32 and half that were added. */
  readonly casts: number
  /** Results of half contractions and reductions that are float32: casts that are not needed. */
  readonly absorbed: number
  /** Half copies of variables, or of values that depend on variables alone. */
  readonly weightCasts: number
}

export interface AmpReport extends CastCounts {
  readonly strategy: StrategyName
  readonly dtype: Half
  /** The maximum flow: no assignment with as many contractions in half has fewer casts. */
  readonly lowerBound: number
  /** Warnings, a sentence each, for example about literals that half cannot represent. */
  readonly warnings: readonly string[]
}

/** A decision with its inputs. */
export interface AmpDecision {
  /** The graph before. */
  readonly graph: Graph
  readonly problem: PrecisionProblem
  readonly isHalf: Assignment
  readonly settings: AmpSettings
  readonly report: AmpReport
}

const decisions = new WeakMap<Graph, AmpDecision>()

/** Stores the decision that led to a graph. It is stored outside of graphs, so that equal programs stay equal. */
export const rememberDecision = (after: Graph, decision: AmpDecision): void => void decisions.set(after, decision)

/** The decision that led to exactly this graph; null if there is none. */
export const decisionOf = (after: Graph): AmpDecision | null => decisions.get(after) ?? null

/** Counts what the pass added to `before`. Casts in the bodies of composites are inside kernels and do not count. */
export const countCasts = (before: Graph, graph: Graph, dtype: Half): CastCounts => {
  let [casts, absorbed, weightCasts] = [0, 0, 0]
  const statics = staticNodes(graph)
  for (const node of liveOrder(graph)) {
    if (findNode(before, node.id) !== null) continue
    if (isNarrowing(graph, node, dtype) || isWidening(graph, node, dtype)) {
      if (statics.has(node.id)) weightCasts++
      else casts++
    }
    const [operand] = node.inputs
    if (operand === undefined || !hasResultDtype(node) || node.attrs.resultDtype !== 'float32') continue
    if (typeOf(graph, operand).dtype === dtype) absorbed++
  }
  return { casts, absorbed, weightCasts }
}

/** The sums of the figures of several plans; null if there are none. */
export const sumReports = (reports: readonly AmpReport[]): AmpReport | null => {
  const [first] = reports
  if (first === undefined) return null
  const sum = (figure: (report: AmpReport) => number): number => reports.reduce((total, r) => total + figure(r), 0)
  return {
    ...first,
    casts: sum((r) => r.casts),
    absorbed: sum((r) => r.absorbed),
    weightCasts: sum((r) => r.weightCasts),
    lowerBound: sum((r) => r.lowerBound),
    warnings: [...new Set(reports.flatMap((r) => r.warnings))],
  }
}
