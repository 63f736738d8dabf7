/** The conformance suite: every op on random operands of every dtype it takes, a backend against the reference interpreter. */
import type { Backend } from '../backends/backend.ts'
import { opDef } from '../ir/ops/index.ts'
import type { DType } from '../ir/types.ts'
import { opCases, type CaseOp } from './cases/index.ts'
import { refusedHalfTypes, verifyKernel } from './verify/kernel.ts'
import { joined, type Verification, type VerificationFailure, type VerifyOptions } from './verify/report.ts'

export interface Exclusion {
  /** An op's name; '*' for all. */
  readonly op: CaseOp | '*'
  /** Absent: all dtypes. */
  readonly dtypes?: readonly DType[] | undefined
  readonly reason: string
}

export interface ConformanceOptions extends VerifyOptions {
  /** Default: all. */
  readonly ops?: readonly CaseOp[] | undefined
  /** What the backend is known not to do, each with its reason; listed in the report. Half types it refuses are added by themselves. */
  readonly exclusions?: readonly Exclusion[] | undefined
  /** Called before each op: its place among them, and how many there are. */
  readonly onOp?: ((op: CaseOp, at: number, of: number) => void) | undefined
}

export type ConformanceFailure = VerificationFailure

export interface ConformanceReport extends Verification {
  readonly backend: string
  readonly exclusions: readonly Exclusion[]
}

/**
 * Verifies all kernels of a backend, op by op; verifyKernel() says with what. Random cases of each kind: `runs` (default 30).
 *
 * @example
 * const { failures } = await conformance(await createTfjsBackend({ backend: 'cpu' }), { ops: ['relu', 'matmul'], runs: 5 })
 */
export const conformance = async (backend: Backend, options: ConformanceOptions = {}): Promise<ConformanceReport> => {
  const { runs = 30, onOp } = options
  const exclusions = [...(options.exclusions ?? []), ...refused(backend)]
  // The model's forms (batchNorm, dropout) are gone before a backend sees a graph.
  const ops = (options.ops ?? (Object.keys(opCases) as CaseOp[])).filter((op) => opDef(op).level !== 'model') // its keys are the ops
  const parts: Verification[] = []
  for (const [at, op] of ops.entries()) {
    const own = exclusions.filter((exclusion) => exclusion.op === op || exclusion.op === '*')
    onOp?.(op, at, ops.length)
    if (own.some(({ dtypes }) => dtypes === undefined)) continue
    parts.push(await verifyKernel(backend, op, { ...options, runs, without: own.flatMap(({ dtypes = [] }) => dtypes) }))
  }
  return { ...joined(parts), seed: options.seed ?? 1, backend: backend.name, exclusions }
}

const refused = (backend: Backend): readonly Exclusion[] => {
  const dtypes = refusedHalfTypes(backend)
  return dtypes.length === 0
    ? []
    : [{ op: '*', dtypes, reason: `${backend.target.name} refuses programs with ${dtypes.join(' and ')}` }]
}
