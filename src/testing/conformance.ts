/** The conformance suite compares a backend with the reference interpreter: every op on random operands of every dtype that it accepts. */
import type { Backend } from '../backends/backend.ts'
import { opDef } from '../ir/ops/index.ts'
import type { DType } from '../ir/types.ts'
import { opCases, type CaseOp } from './cases/index.ts'
import { verifyKernel } from './verify/kernel.ts'
import { refusedHalfTypes } from './verify/refused-types.ts'
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
  /** What the backend does not support, each with its reason; the report lists it. Half types that the backend rejects are added automatically. */
  readonly exclusions?: readonly Exclusion[] | undefined
  /** Called before each op with its index and the number of ops. */
  readonly onOp?: ((op: CaseOp, at: number, of: number) => void) | undefined
}

export type ConformanceFailure = VerificationFailure

export interface ConformanceReport extends Verification {
  readonly backend: string
  readonly exclusions: readonly Exclusion[]
}

/**
 * Verifies all kernels of a backend by verifyKernel(), op by op, with `runs` random cases of each kind (default 30).
 *
 * @example
 * const { failures } = await conformance(await createTfjsBackend({ backend: 'cpu' }), { ops: ['relu', 'matmul'], runs: 5 })
 */
export const conformance = async (backend: Backend, options: ConformanceOptions = {}): Promise<ConformanceReport> => {
  const { runs = 30, onOp } = options
  const exclusions = [...(options.exclusions ?? []), ...refused(backend)]
  // Passes replace model-form ops (batchNorm, dropout) before a backend compiles a graph.
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
