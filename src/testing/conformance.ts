/** The conformance suite: every op on random operands of every dtype it takes, a backend against the reference interpreter. */
import { type Arbitrary, fc } from './fast-check.ts'
import type { Backend } from '../backends/backend.ts'
import { runShared, type Deviation } from '../backends/conformance.ts'
import { nodesOf } from '../ir/graph.ts'
import { opDef } from '../ir/ops/index.ts'
import { print } from '../ir/print.ts'
import type { ContractionOps, OpName } from '../ir/signatures.ts'
import type { DType } from '../ir/types.ts'
import { opCases, type CaseOp } from './cases/index.ts'
import { madeSpecials, madeSpecialsInTraining } from './made-specials.ts'
import { feedsOfCase, graphOfCase, type CaseInput, type OpCase } from './op-case.ts'
import { sharedTrials } from './shared-values.ts'
import { trialOf, type Trial } from './trial.ts'

export interface Exclusion {
  /** An op's name; '*' for all. */
  readonly op: CaseOp | '*'
  /** Absent: all dtypes. */
  readonly dtypes?: readonly DType[] | undefined
  readonly reason: string
}

export interface ConformanceOptions {
  /** Of the random cases (default 1). */
  readonly seed?: number | undefined
  /** Random cases per op (default 30). */
  readonly runs?: number | undefined
  /** Default: all. */
  readonly ops?: readonly CaseOp[] | undefined
  /** What the backend is known not to do, each with its reason; listed in the report. Half types it refuses are added by themselves. */
  readonly exclusions?: readonly Exclusion[] | undefined
}

export interface ConformanceFailure {
  readonly name: string
  /** The smallest case that still fails: text of its graphs, operands and variables by name (of the last round). */
  readonly counterexample: { readonly graph: string; readonly inputs: { readonly [name: string]: readonly number[] } }
  /** How far off; a message where the backend threw. */
  readonly error: number | string
  readonly tolerance: number
}

export interface ConformanceReport {
  readonly backend: string
  readonly seed: number
  readonly cases: number
  readonly failures: readonly ConformanceFailure[]
  /** The accepted result nearest to its tolerance. */
  readonly worst: { readonly name: string; readonly error: number; readonly tolerance: number } | null
  readonly exclusions: readonly Exclusion[]
}

/**
 * Verifies a backend op by op. Also with NaN, infinities and zeros among the operands of ops that move, compare and map elements, fed and made
 * by arithmetic; and contractions whose operands are shared, in several shapes and by several programs.
 *
 * @example
 * const { failures } = await conformance(await createTfjsBackend({ backend: 'cpu' }))
 */
export const conformance = async (backend: Backend, options: ConformanceOptions = {}): Promise<ConformanceReport> => {
  const { seed = 1, runs = 30 } = options
  const exclusions = [...(options.exclusions ?? []), ...refusedHalfTypes(backend)]
  const failures: ConformanceFailure[] = []
  let cases = 0
  let worst: ConformanceReport['worst'] = null
  // The model's forms (batchNorm, dropout) are gone before a backend sees a graph.
  const ops = (options.ops ?? (Object.keys(opCases) as CaseOp[])).filter((op) => opDef(op).level !== 'model') // its keys are the ops
  for (const op of ops) {
    for (const { name, arbitrary } of casesOf(op)) {
      let last: { readonly trial: Trial; readonly error: number | string; readonly tolerance: number } | null = null
      const check = await fc.check(
        fc.asyncProperty(
          arbitrary.filter((trial) => !isExcluded(op, trial, exclusions)),
          async (trial) => {
            cases++
            const deviation = await judged(backend, trial)
            if (typeof deviation !== 'string' && (deviation === null || deviation.ratio <= 1)) {
              if (deviation !== null && (worst === null || deviation.ratio > worst.error / worst.tolerance))
                worst = deviation.error > 0 ? { name, error: deviation.error, tolerance: deviation.tolerance } : worst
              return true
            }
            last = {
              trial,
              error: typeof deviation === 'string' ? deviation : deviation.error,
              tolerance: typeof deviation === 'string' ? 0 : deviation.tolerance,
            }
            return false
          },
        ),
        { seed, numRuns: runs },
      )
      // fast-check runs the shrunk case last but for those that passed; `last` is the last that failed.
      if (check.failed && last !== null) failures.push(failureOf(name, last))
    }
  }
  return { backend: backend.name, seed, cases, failures, worst, exclusions }
}

const judged = async (backend: Backend, trial: Trial): Promise<Deviation | null | string> => {
  try {
    return await runShared(backend, trial)
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

const failureOf = (
  name: string,
  { trial, error, tolerance }: { readonly trial: Trial; readonly error: number | string; readonly tolerance: number },
): ConformanceFailure => {
  const { inputs, variables } = trial.rounds.at(-1) ?? { inputs: {}, variables: {} }
  return {
    name,
    counterexample: {
      graph: trial.graphs.map((graph) => print(graph)).join('\n'),
      inputs: { ...inputs, ...variables },
    },
    error,
    tolerance,
  }
}

interface Cases {
  readonly name: string
  readonly arbitrary: Arbitrary<Trial>
}

/** The op's random cases; where its meaning for them is plain, the same with special numbers, fed and made; for contractions shared operands. */
const casesOf = (op: CaseOp): readonly Cases[] => {
  const cases = opCases[op]
  const plain = { name: op, arbitrary: cases.map(plainTrial) }
  if (isContraction(op))
    return [
      plain,
      { name: `${op} of shared values`, arbitrary: sharedTrials(op) },
      { name: `${op} with made special numbers`, arbitrary: madeSpecials(op, cases) },
      { name: `${op}, special numbers and an activation in training`, arbitrary: madeSpecialsInTraining(cases) },
    ]
  if (!takesSpecials(op)) return [plain]
  return [
    plain,
    { name: `${op} with special numbers`, arbitrary: withSpecials(cases).map(plainTrial) },
    { name: `${op} with made special numbers`, arbitrary: madeSpecials(op, cases) },
  ]
}

const plainTrial = (c: OpCase): Trial => trialOf(c.op, graphOfCase(c), feedsOfCase(c))

const isContraction = (op: CaseOp): op is keyof ContractionOps => opDef(op).fusion === 'contraction'

const takesSpecials = (op: OpName): boolean => {
  const { fusion, level, arity } = opDef(op)
  return (
    level === 'primitive' &&
    arity !== 0 &&
    ['elementwise', 'movement', 'broadcast', 'reduction', 'window'].includes(fusion)
  )
}

const specials: readonly number[] = [Number.NaN, Infinity, -Infinity, -0, 0]

const withSpecials = (cases: Arbitrary<OpCase>): Arbitrary<OpCase> =>
  fc
    .tuple(cases, fc.array(fc.tuple(fc.nat(), fc.nat(), fc.constantFrom(...specials)), { minLength: 1, maxLength: 4 }))
    .map(([c, changes]) => {
      const inputs = c.inputs.map((input) => ({ type: input.type, data: [...input.data] }))
      for (const [operand, element, value] of changes) {
        const input = inputs[operand % Math.max(1, inputs.length)]
        if (input !== undefined && isFloatInput(input) && input.data.length > 0)
          input.data[element % input.data.length] = value
      }
      return { ...c, inputs }
    })

const isFloatInput = ({ type }: CaseInput): boolean => type.dtype !== 'int32' && type.dtype !== 'bool'

const refusedHalfTypes = ({ target }: Backend): readonly Exclusion[] => {
  const refused = (['float16', 'bfloat16'] as const).filter((dtype) => !target.halfTypes.includes(dtype))
  return refused.length === 0
    ? []
    : [{ op: '*', dtypes: refused, reason: `${target.name} refuses programs with ${refused.join(' and ')}` }]
}

const isExcluded = (op: CaseOp, { graphs }: Trial, exclusions: readonly Exclusion[]): boolean => {
  const used = new Set(
    graphs.flatMap((graph) => nodesOf(graph).flatMap(({ types }) => types.map(({ dtype }) => dtype))),
  )
  return exclusions.some(
    (exclusion) =>
      (exclusion.op === '*' || exclusion.op === op) &&
      (exclusion.dtypes === undefined || exclusion.dtypes.some((dtype) => used.has(dtype))),
  )
}
