/** Verifies one kernel of a backend against the reference. */
import type { Backend } from '../../backends/backend.ts'
import { isOpName } from '../../ir/ops/index.ts'
import type { DType } from '../../ir/types.ts'
import type { CaseOp } from '../cases/index.ts'
import { type Arbitrary, fc } from '../fast-check.ts'
import type { Trial } from '../trial.ts'
import { refusedHalfTypes, useAny } from './refused-types.ts'
import { keepFailure, keptFailures, keptOf, trialOfKept } from './failure-store.ts'
import { type JudgedTrial, failureOf, judgeTrial, simplerFailure, smallestFailure } from './judge.ts'
import { type Composite, compositeTrials, kernelCases, type KernelCases, type OperandShapes } from './kernel-cases.ts'
import { judgeLaw, type Law, lawsOf } from './laws.ts'
import { Tally, type Verification, type VerifyOptions } from './report.ts'
import { climb } from './search.ts'

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
): Promise<Verification> => {
  if (typeof op === 'string') return verifyCases(backend, op, kernelCases(op), options)
  const cases = compositeTrials(op, options.operands ?? [['n', 'c']])
  return verifyCases(backend, cases.name, [cases], options)
}

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
  const fail: Fail = (of, failed, law) => {
    tally.failures.push(failureOf(of, failed))
    keepFailure(failures, keptOf(keptAs, failed.trial, law === undefined ? {} : { law }))
  }
  const laws = isOpName(name) ? lawsOf(name) : []
  for (const kept of await keptFailures(failures, keptAs)) {
    const trial = trialOfKept(kept)
    const law = laws.find((each) => each.name === kept.more['law'])
    if (trial === null || (law === undefined && kept.more['law'] !== undefined)) continue
    tally.case()
    const judged = await (law === undefined ? judgeTrial(backend, trial) : judgeLaw(backend, trial, law.isExact))
    if (!judged.isAccepted) fail(`${law?.name ?? name}, kept`, { trial, judged }, law?.name)
  }
  for (const group of groups) {
    const arbitrary = withoutDtypes(group.arbitrary, without)
    if (arbitrary === null) continue
    let nearest: JudgedTrial | null = null
    let last: JudgedTrial | null = null
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
    if (failed !== null) fail(group.name, await smallestFailure((trial) => judgeTrial(backend, trial), failed))
  }
  await verifyLaws(backend, laws, { seed, runs, tally, without, fail })
  return tally.result
}

/** Reports and stores a failure, of a law if one is named. */
type Fail = (name: string, failed: JudgedTrial, law?: string) => void

/** The case that the search found, if it fails. */
const climbed = async (
  backend: Backend,
  nearest: JudgedTrial | null,
  {
    seed,
    runs,
    tally,
    name,
  }: { readonly seed: number; readonly runs: number; readonly tally: Tally; readonly name: string },
): Promise<JudgedTrial | null> => {
  if (nearest === null || nearest.judged.tolerance === 0) return null
  const end = await climb(backend, nearest, { steps: Math.ceil(runs / 2), seed, onStep: () => tally.case() })
  if (!end.judged.isAccepted) return end
  if (typeof end.judged.error === 'number')
    tally.accept(name, { error: end.judged.error, tolerance: end.judged.tolerance })
  return null
}

const verifyLaws = async (
  backend: Backend,
  laws: readonly Law[],
  {
    seed,
    runs,
    tally,
    without,
    fail,
  }: {
    readonly seed: number
    readonly runs: number
    readonly tally: Tally
    readonly without: ReadonlySet<DType>
    readonly fail: Fail
  },
): Promise<void> => {
  for (const law of laws) {
    let last: JudgedTrial | null = null
    const arbitrary = withoutDtypes(law.arbitrary, without)
    if (arbitrary === null) continue
    const check = await fc.check(
      fc.asyncProperty(arbitrary, async (trial) => {
        tally.case()
        const judged = await judgeLaw(backend, trial, law.isExact)
        if (judged.isAccepted) {
          if (typeof judged.error === 'number')
            tally.accept(law.name, { error: judged.error, tolerance: judged.tolerance })
          return true
        }
        last = { trial, judged }
        return false
      }),
      { seed, numRuns: Math.ceil(runs / 4) },
    )
    const failed = last as JudgedTrial | null // set inside the property
    if (!check.failed || failed === null) continue
    fail(law.name, await simplerFailure((trial) => judgeLaw(backend, trial, law.isExact), failed), law.name)
  }
}

/** Draws that many trials to find one without the dtypes. */
const drawsMax = 300

/** Trials without the dtypes; null if none is found. A filter that nothing passes would draw for ever. */
const withoutDtypes = (trials: Arbitrary<Trial>, dtypes: ReadonlySet<DType>): Arbitrary<Trial> | null => {
  if (dtypes.size === 0) return trials
  const isFound = fc.sample(trials, { numRuns: drawsMax, seed: 1 }).some(({ graphs }) => !useAny(graphs, dtypes))
  return isFound ? trials.filter(({ graphs }) => !useAny(graphs, dtypes)) : null
}
