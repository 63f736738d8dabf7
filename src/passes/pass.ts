/** What a pass is: a value that turns a graph into a graph. Pure; plans edits against a frozen base and commits them at once. */
import type { TargetInfo } from '../ir/target.ts'
import type { Graph } from '../ir/types.ts'

/** Groups of passes, for `effuse opt --to=amp`. */
export type Phase = 'build' | 'simplify' | 'grad' | 'amp' | 'fuse' | 'lower' | 'codegen'
export const phases: readonly Phase[] = ['build', 'simplify', 'grad', 'amp', 'lower', 'fuse', 'codegen']

/**
 * What a pass promises of the results: the same bits; the same up to rounding (other order, other formula);
 * the same up to the precision of half types. `mode`: it changes the meaning on purpose (training becomes inference, a gradient is added).
 */
export type Preserves = 'bits' | 'rounding' | 'precision' | 'mode'

export interface PassContext {
  readonly target: TargetInfo
  /** What the pipeline began with: users' names mean something although the passes before have removed what bears them. */
  readonly declared?: Plans | undefined
  /** Counts for the trace: rules fired, nodes removed. */
  report(what: string, count?: number): void
}

/** Names of the graphs of a program; see architecture.md, "From declaration to run". */
export type PlanName = 'prepare' | 'run' | 'micro' | 'apply' | 'evaluate'
export type Plans = { readonly [P in PlanName]?: Graph }
export const planNames: readonly PlanName[] = ['prepare', 'run', 'micro', 'apply', 'evaluate']

interface PassBase {
  /** kebab-case; the file and the test have the same name. */
  readonly name: string
  /** A few words: what it does. */
  readonly summary: string
  readonly phase: Phase
  readonly preserves: Preserves
  /** As in the text form, `amp{dtype="float16"}`; absent: none. */
  readonly options?: { readonly [name: string]: unknown } | undefined
}

/** Works on one graph; the runner gives it each plan in turn. Valid in, valid out; no promise in between. */
export interface GraphPass extends PassBase {
  readonly run: (graph: Graph, cx: PassContext) => Graph
}

/** Works on all plans together: splits one in two, say. */
export interface PlansPass extends PassBase {
  readonly runPlans: (plans: Plans, cx: PassContext) => Plans
}

export type Pass = GraphPass | PlansPass

/** Makes a pass; for users too: `compile(g, { passes: (p) => p.before('dce', mine) })`. */
export const definePass = <P extends Pass>(pass: P): P => Object.freeze(pass)

export const isPlansPass = (pass: Pass): pass is PlansPass => 'runPlans' in pass
