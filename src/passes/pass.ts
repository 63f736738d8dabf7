/** What a pass is: a value that turns a graph into a graph. It is pure: it plans edits against a frozen base and commits them at once. */
import { isRecord } from '../ir/attrs.ts'
import type { Check } from '../ir/check-record.ts'
import { EffuseError, showGiven } from '../ir/diagnostics.ts'
import type { TargetInfo } from '../ir/target.ts'
import type { Graph } from '../ir/types.ts'
import type { Stage } from '../ir/verify.ts'
import type { Program } from './program.ts'

/** Groups of passes, for `effuse opt --to=amp`. */
export type Phase = 'build' | 'simplify' | 'grad' | 'amp' | 'fuse' | 'lower' | 'codegen'
export const phases: readonly Phase[] = ['build', 'simplify', 'grad', 'amp', 'lower', 'fuse', 'codegen']

/**
 * What a pass preserves of the results: the same bits; the same up to rounding (another order or formula);
 * the same up to the precision of half types. `mode`: it intentionally changes the meaning (training becomes inference, a gradient is added).
 */
export type Preserves = 'bits' | 'rounding' | 'precision' | 'mode'

export interface PassContext {
  readonly target: TargetInfo
  /** The pipeline's input. A user's name is valid even if an earlier pass has removed the node that has it. */
  readonly declared?: Program | undefined
  /** Counts for the trace: rules fired, nodes removed. */
  report(what: string, count?: number): void
}

interface PassBase {
  /** kebab-case; the file and the test have the same name. */
  readonly name: string
  /** What it does, in a few words. */
  readonly summary: string
  readonly phase: Phase
  readonly preserves: Preserves
  /** The stage of the resulting graphs, for a pass that changes the stage. The verifier checks all later graphs against it. */
  readonly stage?: Exclude<Stage, 'model'> | undefined
  /** As in the text form, `amp{dtype="float16"}`; absent: none. */
  readonly options?: { readonly [name: string]: unknown } | undefined
}

/** Works on one graph; the runner calls it for each step. Input and output are valid graphs; intermediate states need not be. */
export interface GraphPass extends PassBase {
  readonly run: (graph: Graph, cx: PassContext) => Graph
}

/** Works on the program, for example splits a step in two. */
export interface ProgramPass extends PassBase {
  /** True if the pass moves work on variables alone out of the step `run`, to a step that runs when they have changed. Absent: false. */
  readonly hoists?: boolean | undefined
  readonly runProgram: (program: Program, cx: PassContext) => Program
}

export type Pass = GraphPass | ProgramPass

/**
 * Makes a pass; for users too: `compile(g, { passes: (p) => p.before('dce', mine) })`.
 * @throws EffuseError EF111 if a part of it is missing or invalid
 */
export const definePass = <P extends Pass>(pass: P): P => {
  checkPass(pass, 'definePass()')
  return Object.freeze(pass)
}

/** @throws EffuseError EF111: `what` was given something that is not a pass */
export const checkPass = (given: unknown, what: string): void => {
  if (!isRecord(given))
    throw new EffuseError({
      code: 'EF111',
      message: `${what} takes a pass, as definePass() makes it, got ${showGiven(given)}`,
    })
  for (const [part, [expects, accepts]] of Object.entries(partsOfPass)) {
    if (!accepts(given[part]))
      throw new EffuseError({
        code: 'EF111',
        message: `${what}: the ${part} of ${showGiven(given['name'] ?? 'a pass')} must be ${expects}, got ${showGiven(given[part])}`,
      })
  }
  if (typeof given['run'] !== 'function' && typeof given['runProgram'] !== 'function')
    throw new EffuseError({
      code: 'EF111',
      message: `${what}: the pass ${showGiven(given['name'])} needs a function run, from graph to graph, or runProgram, from program to program`,
    })
}

const preservesWords: readonly Preserves[] = ['bits', 'rounding', 'precision', 'mode']
const oneOf = (words: readonly string[]): Check => [
  `one of ${words.join(', ')}`,
  (v) => words.some((word) => word === v),
]
const isFunctionOrNothing = (v: unknown): boolean => v === undefined || typeof v === 'function'
const partsOfPass: { readonly [part: string]: Check } = {
  name: ['a word in kebab-case', (v) => typeof v === 'string' && /^[A-Za-z][\w-]*$/.test(v)],
  summary: ['a string', (v) => typeof v === 'string'],
  phase: oneOf(phases),
  preserves: oneOf(preservesWords),
  stage: ['"tensor" or "fused", or not given', (v) => v === undefined || v === 'tensor' || v === 'fused'],
  run: ['a function', isFunctionOrNothing],
  runProgram: ['a function', isFunctionOrNothing],
  hoists: ['true, false or not given', (v) => v === undefined || typeof v === 'boolean'],
}

/** Whether the pass hoists work out of the step `run`. What judges a run as one graph leaves such passes out. */
export const hoists = (pass: Pass): boolean => isProgramPass(pass) && pass.hoists === true

export const isProgramPass = (pass: Pass): pass is ProgramPass => 'runProgram' in pass
