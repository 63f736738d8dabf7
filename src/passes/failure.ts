/** The error when a pass fails: which pass, the fault, and the command that replays it. */
import { EffuseError, type Diagnostic } from '../ir/diagnostics.ts'
import { print } from '../ir/print.ts'
import type { Graph } from '../ir/types.ts'
import { describeDiagnostic, type Stage } from '../ir/verify.ts'
import type { Pass } from './pass.ts'
import { passText } from './pipeline.ts'
import type { Program } from './program.ts'
import { printProgram } from './program-text.ts'

/** The program before the failing pass, in text, and the passes still to run. */
export interface Reproducer {
  readonly program: string
  readonly passes: string
}

/** The smallest program found that shows the failure, with all passes that it needs from the beginning. */
export interface Smaller {
  readonly graph: Graph
  readonly passes: readonly Pass[]
  /** The difference, and the numbers for which it appears. */
  readonly shown: string
}

/** A pass about to run. */
export interface Moment {
  readonly pass: Pass
  readonly before: Program
  readonly stage: Stage
  /** The pass and those after it. */
  readonly rest: readonly Pass[]
  /** Writes what a replay needs to a file; returns the file's name for the message. */
  readonly save: ((reproducer: Reproducer) => string | null) | undefined
  /** Names of the passes that `effuse opt` knows; absent: all. Only the user's program knows the user's own passes. */
  readonly replayable: ReadonlySet<string> | undefined
  /** Whether meanings are compared. A replay then compares them too. */
  readonly isJudged: boolean
}

/** What went wrong: something was thrown, or the verifier found something in a graph. */
export type Fault = { readonly thrown: unknown } | { readonly found: readonly Diagnostic[]; readonly broken: Graph }

/** EF303, or the code that a pass's own EffuseError has. `smaller`: what the message shows instead of the program before the pass. */
export const passFailure = (moment: Moment, fault: Fault, smaller: Smaller | null = null): EffuseError => {
  const { pass } = moment
  const thrown = 'thrown' in fault ? fault.thrown : undefined
  const known = thrown instanceof EffuseError ? thrown : null
  const [first] = 'found' in fault ? fault.found : []
  return new EffuseError({
    code: known?.code ?? 'EF303',
    path: known?.path ?? first?.path,
    hint: known?.hint ?? first?.hint ?? 'see docs/debugging.md',
    cause: thrown,
    diagnostics: known?.diagnostics ?? ('found' in fault ? fault.found : []),
    message: [
      `pass '${pass.name}': ${known?.message ?? faultText(fault)}`,
      ...(smaller === null
        ? []
        : [`  the smallest graph found that shows it, ${smaller.shown}:`, indented(print(smaller.graph))]),
      `  ${replay(moment, smaller)}`,
    ].join('\n'),
  })
}
const indented = (text: string): string => text.trimEnd().replaceAll(/^/gm, '    ')

const faultText = (fault: Fault): string => {
  if ('found' in fault) {
    const [first] = fault.found
    return `it left a graph that is not well-formed: ${first === undefined ? '' : describeDiagnostic(fault.broken, first)}`
  }
  return fault.thrown instanceof Error ? `${fault.thrown.name}: ${fault.thrown.message}` : String(fault.thrown)
}

/** How to see the failure again: a command, or where the graph is that a user's own pass fails on. */
const replay = (moment: Moment, smaller: Smaller | null): string => {
  const { pass, before, stage, rest, save, replayable, isJudged } = moment
  const isOwn = ({ name }: Pass): boolean => replayable?.has(name) === false
  const firstOwn = rest.findIndex(isOwn)
  const passes = smaller?.passes ?? (firstOwn <= 0 ? rest : rest.slice(0, firstOwn))
  const program = smaller === null ? printProgram(before) : print(smaller.graph)
  const reproducer: Reproducer = { program, passes: passes.map(passText).join(',') }
  const file = save?.(reproducer) ?? null
  if (passes.some(isOwn) || isOwn(pass)) {
    const what = smaller === null ? 'the graph before it' : 'the graph'
    const where = file === null ? `${what} is in the text that EFFUSE_TRACE saves` : `${what} is in ${file}`
    const list = smaller === null ? 'pass' : '…the passes up to it, pass'
    const judging = isJudged ? ', { judge: meaningJudge }' : ''
    return `the pass is your own, so the command line cannot replay it; ${where}: runPipeline(pipeline([${list}]), parseProgram(text)${judging}) runs it again`
  }
  const from = smaller !== null || stage === 'model' ? '' : `--stage ${stage} `
  const command = isJudged ? `effuse verify ${file ?? 'GRAPH.ir'}` : `effuse opt ${file ?? 'GRAPH.ir'}`
  return `to replay: ${command} ${from}--passes '${reproducer.passes}'`
}
