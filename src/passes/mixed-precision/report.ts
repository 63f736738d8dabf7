/**
 * The result of mixed precision for a graph: figures, counted in the graph itself, and the decision behind them, for explanations. Every
 * program imports this file, and only those with mixed precision have the rest of the folder, so here are only types of it.
 */
import type { Graph, Node, Half } from '../../ir/types.ts'
import type { PrecisionNote } from './explain.ts'
import type { AmpSettings, StrategyName } from './options.ts'
import type { Assignment } from './port-graph.ts'
import type { PrecisionProblem } from './problem.ts'

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

/** Explains nodes of the graph before, by the decision. */
type Explain = (isAsked: (node: Node) => boolean) => readonly PrecisionNote[]

const remembered = new WeakMap<Graph, { readonly decision: AmpDecision; readonly explain: Explain }>()

/** Stores the decision that led to a graph, and what explains it. It is stored outside of graphs, so that equal programs stay equal. */
export const rememberDecision = (after: Graph, decision: AmpDecision, explain: Explain): void =>
  void remembered.set(after, { decision, explain })

/** The decision that led to exactly this graph; null if there is none. */
export const decisionOf = (after: Graph): AmpDecision | null => remembered.get(after)?.decision ?? null

/** Why the asked nodes of the graph before are half or float32; empty if no decision led to exactly this graph. */
export const precisionNotes = (
  after: Graph,
  isAsked: (before: Graph, node: Node) => boolean,
): readonly PrecisionNote[] => {
  const found = remembered.get(after)
  return found?.explain((node) => isAsked(found.decision.graph, node)) ?? []
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
