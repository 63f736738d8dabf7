/** A test for each op: its kernels on a backend conform to the reference. */
import { expect, test } from 'vitest'
import type { Backend } from '../../src/backends/backend.ts'
import { opDef } from '../../src/ir/ops/index.ts'
import type { DType } from '../../src/ir/types.ts'
import { type CaseOp, conformance, opCases } from '../../src/testing/index.ts'

export interface OpConformance {
  /** The number of cases of each kind. */
  readonly runs: number
  readonly seed?: number
  /** Default: all ops with kernels. Passes replace ops of the model level before a backend compiles a graph. */
  readonly ops?: readonly CaseOp[]
  /** The half types that the backend rejects. */
  readonly refused: readonly DType[]
}

const opsWithKernels = (Object.keys(opCases) as CaseOp[]).filter((op) => opDef(op).level !== 'model') // its keys are the ops

/** @param title The name of the tests, before the op's name. */
export const testOps = (
  title: string,
  backendOf: () => Backend | Promise<Backend>,
  { runs, seed = 1, ops = opsWithKernels, refused }: OpConformance,
): void => {
  test.each(ops)(`${title}: %s`, async (op) => {
    const report = await conformance(await backendOf(), { ops: [op], runs, seed })
    expect(report.failures).toEqual([])
    expect(report.cases).toBeGreaterThanOrEqual(runs)
    expect(report.exclusions.flatMap(({ dtypes }) => dtypes)).toEqual(refused)
  })
}
