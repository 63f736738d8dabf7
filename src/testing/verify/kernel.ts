/** Verifies one kernel of a backend against the reference. */
import type { Backend } from '../../backends/backend.ts'
import { nodesOf } from '../../ir/graph.ts'
import { isOpName } from '../../ir/ops/index.ts'
import type { Tolerance } from '../../ir/signatures.ts'
import type { DType } from '../../ir/types.ts'
import type { CaseOp } from '../cases/index.ts'
import { fc } from '../fast-check.ts'
import type { Trial } from '../trial.ts'
import { keepFailure, keptFailures, type KeptFailure } from './failure-store.ts'
import { failureOfTrial, type Judged, judgeTrial, smallestTrial } from './judge.ts'
import { type Composite, compositeTrials, kernelCases, type KernelCases, type OperandShapes } from './kernel-cases.ts'
import { judgeLaw, lawsOf } from './laws.ts'
import { Tally, type Verification, type VerifyOptions } from './report.ts'
import { climb, type Climbed } from './search.ts'

export interface VerifyKernelOptions extends VerifyOptions {
  /** Dtypes to leave out. Half types that the backend rejects are left out automatically. */
  readonly without?: readonly DType[] | undefined
  /** The shapes of a composite's float32 operands: numbers, or names of random sizes. Default: one operand, `[['n', 'c']]`. */
  readonly operands?: OperandShapes | undefined
}

/**
 * Verifies one kernel of a backend. It compares random cases with the reference interpreter, also with special numbers, fed and computed; it checks
 * the op's laws; and it searches from the case nearest to its tolerance for one beyond it. A user's composite is compared with its body.
 *
 * @example
 * const { failures, worst } = await verifyKernel(await createTfjsBackend({ backend: 'cpu' }), 'matmul', { runs: 20 })
 * const leaky = composite('leaky', (x: Value<'float32', 2>) => maximum(x, mul(x, 0.25)), {
 *   lower: { tfjs: { kernel: 'LeakyRelu', operands: ['x'], attrs: { alpha: 0.25 } } },
 * })
 * await verifyKernel(await createTfjsBackend({ backend: 'cpu' }), leaky, { operands: [['n', 'c']], runs: 20 })
 */
export const verifyKernel = async (
  backend: Backend,
  op: CaseOp | Composite,
  options: VerifyKernelOptions = {},
): Promise<Verification> =>
  typeof op === 'string'
    ? verifyCases(backend, op, kernelCases(op), options)
    : verifyCases(backend, 'composite', compositeTrials('composite', op, options.operands ?? [['n', 'c']]), options)

/** Verifies any cases; failures are stored under `name`. */
export const verifyCases = async (
  backend: Backend,
  name: string,
  groups: readonly KernelCases[],
  options: VerifyKernelOptions,
): Promise<Verification> => {
  const { seed = 1, runs = 100, failures } = options
  const without = new Set([...(options.without ?? []), ...refusedHalfTypes(backend)])
  const tally = new Tally(options)
  const keptAs = `kernel ${name} on ${backend.name}`
  const fail = (of: string, trial: Trial, judged: Judged): void => {
    tally.failures.push(failureOfTrial(of, trial, judged))
    keepFailure(failures, keptOf(keptAs, trial))
  }
  for (const kept of await keptFailures(failures, keptAs)) {
    const trial = trialOfKept(kept)
    if (trial === null) continue
    tally.case()
    const judged = await judgeTrial(backend, trial)
    if (!judged.isAccepted) fail(`${name}, kept`, trial, judged)
  }
  for (const group of groups) {
    const arbitrary = group.arbitrary.filter((trial) => !usesAny(trial, without))
    let nearest: Climbed | null = null
    let last: Climbed | null = null
    const check = await fc.check(
      fc.asyncProperty(arbitrary, async (trial) => {
        tally.case()
        const judged = await judgeTrial(backend, trial)
        if (!judged.isAccepted) {
          last = { trial, judged }
          return false
        }
        if (typeof judged.error === 'number')
          tally.accept(group.name, { error: judged.error, tolerance: judged.tolerance })
        if (nearest === null || judged.ratio > nearest.judged.ratio) nearest = { trial, judged }
        return true
      }),
      { seed, numRuns: runs },
    )
    // The last failing case that fast-check runs is the shrunk one.
    const failed = check.failed ? last : await climbed(backend, nearest, { seed, runs, tally, name: group.name })
    if (failed !== null) {
      const small = await smallestTrial(backend, failed.trial)
      fail(group.name, small, await judgeTrial(backend, small))
    }
  }
  if (isOpName(name)) await verifyLaws(backend, name, { seed, runs, tally, without })
  return tally.result
}

/** The case that the search found, if it fails. */
const climbed = async (
  backend: Backend,
  nearest: Climbed | null,
  {
    seed,
    runs,
    tally,
    name,
  }: { readonly seed: number; readonly runs: number; readonly tally: Tally; readonly name: string },
): Promise<Climbed | null> => {
  if (nearest === null || nearest.judged.tolerance === 0) return null
  const end = await climb(backend, nearest, { steps: Math.ceil(runs / 2), seed, onStep: () => tally.case() })
  if (!end.judged.isAccepted) return end
  if (typeof end.judged.error === 'number')
    tally.accept(name, { error: end.judged.error, tolerance: end.judged.tolerance })
  return null
}

const verifyLaws = async (
  backend: Backend,
  op: CaseOp | string,
  {
    seed,
    runs,
    tally,
    without,
  }: { readonly seed: number; readonly runs: number; readonly tally: Tally; readonly without: ReadonlySet<DType> },
): Promise<void> => {
  for (const law of lawsOf(op)) {
    let last: { readonly trial: Trial; readonly judged: Judged } | null = null
    const check = await fc.check(
      fc.asyncProperty(
        law.arbitrary.filter((trial) => !usesAny(trial, without)),
        async (trial) => {
          tally.case()
          const judged = await judgeLaw(backend, trial, law.isExact)
          if (judged.isAccepted) {
            if (typeof judged.error === 'number')
              tally.accept(law.name, { error: judged.error, tolerance: judged.tolerance })
            return true
          }
          last = { trial, judged }
          return false
        },
      ),
      { seed, numRuns: Math.ceil(runs / 4) },
    )
    const failed = last as { readonly trial: Trial; readonly judged: Judged } | null // set inside the property
    if (check.failed && failed !== null) tally.failures.push(failureOfTrial(law.name, failed.trial, failed.judged))
  }
}

export const refusedHalfTypes = ({ target }: Backend): readonly DType[] =>
  (['float16', 'bfloat16'] as const).filter((dtype) => !target.halfTypes.includes(dtype))

const usesAny = ({ graphs }: Trial, dtypes: ReadonlySet<DType>): boolean =>
  dtypes.size > 0 &&
  graphs.some((graph) => nodesOf(graph).some(({ types }) => types.some(({ dtype }) => dtypes.has(dtype))))

const keptOf = (name: string, { graphs, rounds, op, isFused, ...classes }: Trial): KeptFailure => ({
  name,
  graphs,
  rounds,
  more: { op, isFused, ...classes },
})

const trialOfKept = ({ graphs, rounds, more: { op, isFused, ...classes } }: KeptFailure): Trial | null =>
  typeof op === 'string' && isOpName(op)
    ? {
        op,
        graphs,
        rounds,
        isFused: isFused === true,
        // As keptOf() has written them.
        tolerance: classes['tolerance'] as Tolerance | undefined,
        operandTolerance: classes['operandTolerance'] as Tolerance | undefined,
      }
    : null
