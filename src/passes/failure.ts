/** What is said when a pass fails: which pass, what is wrong, and the command that replays it. */
import { EffuseError, type Diagnostic } from '../ir/diagnostics.ts'
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

/** A pass about to run. */
export interface Moment {
  readonly pass: Pass
  readonly before: Program
  readonly stage: Stage
  /** The pass and those after it. */
  readonly rest: readonly Pass[]
  /** Keeps what is needed to replay a failure; gives the file's name for the message. */
  readonly save: ((reproducer: Reproducer) => string | null) | undefined
  /** Names of the passes that `effuse opt` makes; absent: all. A user's own pass is known to their program alone. */
  readonly replayable: ReadonlySet<string> | undefined
}

/** What went wrong: something was thrown, or the verifier found something in a graph. */
export type Fault = { readonly thrown: unknown } | { readonly found: readonly Diagnostic[]; readonly broken: Graph }

/** EF303, or the code that a pass's own EffuseError has. */
export const passFailure = (moment: Moment, fault: Fault): EffuseError => {
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
    message: `pass '${pass.name}': ${known?.message ?? faultText(fault)}\n  ${replay(moment)}`,
  })
}

const faultText = (fault: Fault): string => {
  if ('found' in fault) {
    const [first] = fault.found
    return `it left a graph that is not well-formed: ${first === undefined ? '' : describeDiagnostic(fault.broken, first)}`
  }
  return fault.thrown instanceof Error ? `${fault.thrown.name}: ${fault.thrown.message}` : String(fault.thrown)
}

/** How to see the failure again: a command, or where the graph is that a user's own pass fails on. */
const replay = ({ pass, before, stage, rest, save, replayable }: Moment): string => {
  const isOwn = ({ name }: Pass): boolean => replayable?.has(name) === false
  const firstOwn = rest.findIndex(isOwn)
  const passes = firstOwn <= 0 ? rest : rest.slice(0, firstOwn)
  const reproducer: Reproducer = { program: printProgram(before), passes: passes.map(passText).join(',') }
  const file = save?.(reproducer) ?? null
  if (isOwn(pass)) {
    const where =
      file === null ? 'the graph before it is in the text that EFFUSE_TRACE saves' : `the graph before it is in ${file}`
    return `the pass is your own, so effuse opt cannot replay it; ${where}: runPipeline(pipeline([pass]), parseProgram(text)) runs it again`
  }
  return `to replay: effuse opt ${file ?? 'GRAPH.ir'} ${stage === 'model' ? '' : `--stage ${stage} `}--passes '${reproducer.passes}'`
}
