/** The error when a pass fails: which pass, the fault, and the command that replays it. */
import { EffuseError, type Diagnostic } from '../ir/diagnostics.ts'
import { print } from '../ir/print.ts'
import type { Graph } from '../ir/types.ts'
import { describeDiagnostic, type Stage } from '../ir/verify.ts'
import type { Pass } from './pass.ts'
import { passText } from './pipeline.ts'
import type { Program } from './program.ts'
import { printProgram } from './program-text.ts'
import { passNames } from './pipelines.ts'

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
  /** The stage at which the pipeline began. */
  readonly begun: Stage
  /** The passes before it. */
  readonly earlier: readonly Pass[]
  /** The pass and those after it. */
  readonly rest: readonly Pass[]
  /** Writes what a replay needs to a file; returns the file's name for the message. */
  readonly save: ((reproducer: Reproducer) => string | null) | undefined
  /** Names of the passes that `effuse opt` knows; absent: the registered ones. Only the user's program knows the user's own passes. */
  readonly replayable: ReadonlySet<string> | undefined
  /** What the command's --backend takes; passes depend on it. */
  readonly backend: string | undefined
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

/** How to see the failure again: a command where a file has the graph and the command line knows the passes, otherwise a line of code. */
const replay = (moment: Moment, smaller: Smaller | null): string => {
  const { pass, before, stage, rest, save, isJudged } = moment
  const replayable = moment.replayable ?? registered
  const isOwn = ({ name }: Pass): boolean => !replayable.has(name)
  const firstOwn = rest.findIndex(isOwn)
  const passes = smaller?.passes ?? (isOwn(pass) ? [pass] : firstOwn < 0 ? rest : rest.slice(0, firstOwn))
  const text = smaller === null ? printProgram(before) : print(smaller.graph)
  const file = save?.({ program: text, passes: passes.map(passText).join(',') }) ?? null
  const from = smaller === null && file !== null ? stage : moment.begun
  if (file !== null && !passes.some(isOwn)) {
    const stageFlag = from === 'model' ? '' : `--stage ${from} `
    const backendFlag = isJudged && moment.backend !== undefined ? `--backend ${moment.backend} ` : ''
    return `to replay: effuse ${isJudged ? 'verify' : 'opt'} ${file} ${stageFlag}${backendFlag}--passes '${passes.map(passText).join(',').replaceAll("'", "'\\''")}'`
  }
  const settings = [...(from === 'model' ? [] : [`stage: '${from}'`]), ...(isJudged ? ['judge: meaningJudge'] : [])]
  const rerun = (list: readonly Pass[], program: string): string => {
    const { code, names } = passesAsCode(list, pass)
    return `to replay: runPipeline(${[code, program, ...(settings.length === 0 ? [] : [`{ ${settings.join(', ')} }`])].join(', ')})${names}`
  }
  if (file !== null) return rerun(passes, `parseProgram(await readFile(${quoted(file)}, 'utf8'))`)
  if (smaller !== null) return `${rerun(passes, 'parseProgram(text)')}; text is the graph above`
  return `${rerun([...moment.earlier, pass], 'program')}; program is what the first pass was given`
}

const registered: ReadonlySet<string> = new Set(passNames)

/** A pipeline as code. Passes that `parsePipeline` does not know are variables, `pass` the failing one; `names` says which is which. */
const passesAsCode = (passes: readonly Pass[], failing: Pass): { readonly code: string; readonly names: string } => {
  const isNamed = ({ name }: Pass): boolean => registered.has(name)
  if (passes.every(isNamed)) return { code: parsing(passes), names: '' }
  const others = [...new Set(passes.filter((pass) => !isNamed(pass) && pass !== failing))]
  const items: string[] = []
  let run: Pass[] = []
  const endRun = (): void => {
    if (run.length > 0) items.push(`...${parsing(run)}.passes`)
    run = []
  }
  for (const pass of passes) {
    if (isNamed(pass)) {
      run.push(pass)
      continue
    }
    endRun()
    items.push(pass === failing ? 'pass' : `pass${others.indexOf(pass) + 1}`)
  }
  endRun()
  const told = [
    ...(passes.includes(failing) && !isNamed(failing) ? [`pass is your '${failing.name}'`] : []),
    ...others.map(({ name }, at) => `pass${at + 1} is your '${name}'`),
  ]
  return { code: `pipeline([${items.join(', ')}])`, names: `; ${told.join(', ')}` }
}
const parsing = (passes: readonly Pass[]): string => `parsePipeline(${quoted(passes.map(passText).join(','))})`
const quoted = (text: string): string => `'${text.replaceAll(/[\\']/g, '\\$&')}'`
