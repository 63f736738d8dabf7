/** What mixed precision did to a graph: the figures, counted in the graph itself, and the decision behind them, for explanations. */
import { findNode, liveOrder, typeOf } from '../../ir/graph.ts'
import type { Graph } from '../../ir/types.ts'
import type { AmpSettings, Half, StrategyName } from './options.ts'
import type { Assignment } from './port-graph.ts'
import { hasResultDtype, type PrecisionProblem } from './problem.ts'
import { isNarrowing, isWidening, staticNodes } from './statics.ts'

export interface CastCounts {
  /** Casts between float32 and half that were added and stand alone. */
  readonly casts: number
  /** Results of half contractions and reductions that are float32: casts that no kernel has to make. */
  readonly absorbed: number
  /** Half copies of variables, or of what depends on variables alone. */
  readonly weightCasts: number
}

export interface AmpReport extends CastCounts {
  readonly strategy: StrategyName
  readonly dtype: Half
  /** No answer with as many contractions in half has fewer casts: the maximum flow. */
  readonly lowerBound: number
  /** Literals that half does not hold, and the like, each in a sentence. */
  readonly warnings: readonly string[]
}

/** A decision with all that went into it. */
export interface AmpDecision {
  /** The graph before. */
  readonly graph: Graph
  readonly problem: PrecisionProblem
  readonly isHalf: Assignment
  readonly settings: AmpSettings
  readonly report: AmpReport
}

const decisions = new WeakMap<Graph, AmpDecision>()

/** Remembers the decision that led to a graph. Kept beside graphs, so that equal programs stay equal. */
export const rememberDecision = (after: Graph, decision: AmpDecision): void => void decisions.set(after, decision)

/** The decision that led to this very graph, null where none did. */
export const decisionOf = (after: Graph): AmpDecision | null => decisions.get(after) ?? null

/** Counts what the pass added to `before`; casts in the bodies of composites are the kernels' own business. */
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

/** The figures of several plans together; null where there are none. */
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
