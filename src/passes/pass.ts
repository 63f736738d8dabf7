/** What a pass is: a value that turns a graph into a graph. Pure; plans edits against a frozen base and commits them at once. */
import type { TargetInfo } from '../ir/target.ts'
import type { Graph } from '../ir/types.ts'
import type { Program } from './program.ts'

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
  readonly declared?: Program | undefined
  /** Counts for the trace: rules fired, nodes removed. */
  report(what: string, count?: number): void
}

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

/** Works on one graph; the runner gives it that of each step in turn. Valid in, valid out; no promise in between. */
export interface GraphPass extends PassBase {
  readonly run: (graph: Graph, cx: PassContext) => Graph
}

/** Works on the program: splits a step in two, say. */
export interface ProgramPass extends PassBase {
  readonly runProgram: (program: Program, cx: PassContext) => Program
}

export type Pass = GraphPass | ProgramPass

/** Makes a pass; for users too: `compile(g, { passes: (p) => p.before('dce', mine) })`. */
export const definePass = <P extends Pass>(pass: P): P => Object.freeze(pass)

export const isProgramPass = (pass: Pass): pass is ProgramPass => 'runProgram' in pass
