/** One test for each numbered constraint of an op, named after the definition. */
import { expect, test } from 'vitest'
import { opDocs } from '../../../src/ir/ops/docs.ts'
import type { OpName } from '../../../src/ir/signatures.ts'

export interface ConstraintTests {
  /** Adds the test of constraint `number`, which the definition must have: 'slice C2: start < limit <= size'. */
  readonly constraint: (op: OpName, number: number, body: () => void) => void
  /** Adds a test that fails if a constraint of one of `ops` has no test. It must be the last one. */
  readonly checkTotal: (ops: readonly OpName[]) => void
}

export const constraintTests = (): ConstraintTests => {
  const seen = new Set<string>()
  return {
    constraint: (op, number, body) => {
      const words = opDocs[op].constraints[number - 1]
      const name = `${op} ${words}`
      if (words === undefined) throw new Error(`${op} has no constraint C${number}`)
      if (seen.has(name)) throw new Error(`two tests for ${name}`)
      seen.add(name)
      test(name, body)
    },
    checkTotal: (ops) => {
      test('every constraint has its test', () => {
        const all = ops.flatMap((op) => opDocs[op].constraints.map((words) => `${op} ${words}`))
        expect(all.filter((name) => !seen.has(name))).toEqual([])
      })
    },
  }
}
