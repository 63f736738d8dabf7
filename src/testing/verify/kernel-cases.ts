/** The kinds of random cases for verifying a kernel. */
import type { OpName } from '../../ir/signatures.ts'
import type { ContractionOps } from '../../ir/signatures.ts'
import { opDef } from '../../ir/ops/index.ts'
import { opCases, type CaseOp } from '../cases/index.ts'
import { Builder } from '../../ir/build.ts'
import { nodesOf } from '../../ir/graph.ts'
import { elements } from '../../ir/types.ts'
import type { Value } from '../../ir/value.ts'
import { anySize, moderate } from '../arbitraries.ts'
import { type Arbitrary, fc } from '../fast-check.ts'
import { madeSpecials, madeSpecialsInTraining } from '../made-specials.ts'
import { feedsOfCase, graphOfCase, type CaseInput, type OpCase } from '../op-case.ts'
import { sharedTrials } from '../shared-values.ts'
import { trialOf, type Trial } from '../trial.ts'

export interface KernelCases {
  readonly name: string
  readonly arbitrary: Arbitrary<Trial>
}

/** The op's random cases; also with special numbers, fed and computed, if the op's meaning for them is defined; for contractions shared operands. */
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

/** A user's composite: a function of values. */
// biome-ignore lint/suspicious/noExplicitAny: functions with any parameters
export type Composite = (...operands: any[]) => Value

/** Sizes of each operand: numbers, or names of random sizes. Equal names have equal sizes. */
export type OperandShapes = readonly (readonly (number | string)[])[]

/** A composite on float32 operands of these shapes. */
export const compositeTrials = (composite: Composite, shapes: OperandShapes): KernelCases => {
  const names = [...new Set(shapes.flat().filter((size) => typeof size === 'string'))]
  const arbitrary = fc
    .tuple(fc.array(anySize(), { minLength: names.length, maxLength: names.length }), fc.infiniteStream(moderate()))
    .map(([sizes, numbers]): Trial => {
      const b = new Builder('composite')
      const inputs: { [name: string]: readonly number[] } = {}
      const operands = shapes.map((shape, i) => {
        const drawn = shape.map((size) => (typeof size === 'number' ? size : (sizes[names.indexOf(size)] ?? 1)))
        inputs[`x${i}`] = [...numbers.take(elements(drawn))]
        return b.input(`x${i}`, { dtype: 'float32', shape: drawn })
      })
      const graph = b.finish({ y: composite(...operands) })
      const node = nodesOf(graph).find(({ op }) => op === 'composite')
      return {
        ...trialOf('composite', graph, inputs),
        tolerance: node?.op === 'composite' ? node.attrs.tolerance : undefined,
      }
    })
  const [first] = fc.sample(arbitrary, { numRuns: 1, seed: 1 })
  const node = first?.graphs.flatMap(nodesOf).find(({ op }) => op === 'composite')
  // Each composite has its own name, so that stored failures of one are not tried on another.
  return { name: node?.op === 'composite' ? `composite ${node.attrs.name}` : 'composite', arbitrary }
}
