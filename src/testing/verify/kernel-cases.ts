/** The kinds of random cases that a kernel is verified with. */
import type { OpName } from '../../ir/signatures.ts'
import type { ContractionOps } from '../../ir/signatures.ts'
import { opDef } from '../../ir/ops/index.ts'
import { opCases, type CaseOp } from '../cases/index.ts'
import { type Arbitrary, fc } from '../fast-check.ts'
import { madeSpecials, madeSpecialsInTraining } from '../made-specials.ts'
import { feedsOfCase, graphOfCase, type CaseInput, type OpCase } from '../op-case.ts'
import { sharedTrials } from '../shared-values.ts'
import { trialOf, type Trial } from '../trial.ts'

export interface KernelCases {
  readonly name: string
  readonly arbitrary: Arbitrary<Trial>
}

/** The op's random cases; where its meaning for them is plain, the same with special numbers, fed and made; for contractions shared operands. */
export const kernelCases = (op: CaseOp): readonly KernelCases[] => {
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

export const plainTrial = (c: OpCase): Trial => trialOf(c.op, graphOfCase(c), feedsOfCase(c))

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
