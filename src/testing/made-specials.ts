/**
 * Cases in which the graph's arithmetic computes special numbers, instead of feeds that contain them. Processors make NaNs with the sign bit set,
 * unlike those that JavaScript feeds, and kernels that compare bits treat them differently.
 */
import { type Arbitrary, fc } from './fast-check.ts'
import { Builder } from '../ir/build.ts'
import { opDef } from '../ir/ops/index.ts'
import type { OpName } from '../ir/signatures.ts'
import { isFloat, type Type } from '../ir/types.ts'
import type { Value } from '../ir/value.ts'
import type { OpCase } from './op-case.ts'
import { trialOf, type Trial } from './trial.ts'

/** x + up * huge^2 - down * huge^2, negated if `turned`: an infinity, a NaN of either sign, or x itself. */
interface Making {
  readonly up: 0 | 1
  readonly down: 0 | 1
  readonly turned: 0 | 1
}
const makings: readonly Making[] = [
  { up: 1, down: 0, turned: 0 },
  { up: 0, down: 1, turned: 0 },
  { up: 1, down: 1, turned: 0 },
  { up: 1, down: 1, turned: 1 },
]
/** The operand and the element that become a special number. */
type Change = readonly [operand: number, element: number, making: Making]
const changesArb: Arbitrary<readonly Change[]> = fc.array(fc.tuple(fc.nat(), fc.nat(), fc.constantFrom(...makings)), {
  minLength: 1,
  maxLength: 3,
})

/** The op on operands that contain special numbers. */
export const madeSpecials = (op: OpName, cases: Arbitrary<OpCase>): Arbitrary<Trial> =>
  fc.tuple(cases, changesArb).map(([c, changes]) => {
    const b = new Builder('made')
    const { operands, inputs } = makeOperands(b, c, changes, operandsOf(op))
    const results = b.emit(c.op, operands, c.attrs)
    return trialOf(c.op, b.finish(Object.fromEntries(results.map((y, i) => [`y${i}`, y]))), inputs)
  })

const activations = ['relu', 'relu6', 'elu', 'sigmoid', 'tanh'] as const

/** A contraction with special numbers, a bias and an activation in a training graph, which the backend's fusing passes transform. */
export const madeSpecialsInTraining = (cases: Arbitrary<OpCase>): Arbitrary<Trial> =>
  fc
    .tuple(cases, changesArb, fc.constantFrom(...activations), fc.boolean())
    .map(([c, changes, activation, hasBias]) => {
      const b = new Builder('training')
      const { operands, inputs } = makeOperands(b, c, changes, operandsOf(c.op))
      const y = b.emit1(c.op, operands, c.attrs)
      const z = b.unary(activation, hasBias ? b.add(y, vectorLike(b, y)) : y)
      const count = b.variable('count', { shape: [1], dtype: 'float32' })
      b.update(count, b.add(count, 1))
      return {
        op: activation,
        operandTolerance: opDef(c.op).tolerance,
        graphs: [b.finish({ z })],
        rounds: [{ inputs, variables: { count: [0] } }],
        isFused: true,
      }
    })

const vectorLike = (b: Builder, y: Value): Value => {
  const channels = y.shape.at(-1) ?? 1
  const bias = b.constant(
    Float32Array.from({ length: channels }, (_, i) => i / 4),
    { dtype: y.dtype, shape: [channels] },
  )
  return b.broadcast(bias, y.shape, [y.shape.length - 1])
}

/** The number of operands with special numbers. On many machines 0 of the padding times infinity is NaN, so convolutions have them only in image or dy. */
const operandsOf = (op: OpName): number => (opDef(op).fusion === 'contraction' && op !== 'matmul' ? 1 : Infinity)

const makeOperands = (
  b: Builder,
  c: OpCase,
  changes: readonly Change[],
  operandsMax: number,
): { readonly operands: readonly Value[]; readonly inputs: { readonly [name: string]: readonly number[] } } => {
  const inputs: { [name: string]: readonly number[] } = {}
  const operands = c.inputs.map(({ type, data }, i) => {
    const feed = (name: string, fed: Type, numbers: readonly number[]): Value => {
      inputs[`${name}${i}`] = numbers
      return b.input(`${name}${i}`, fed)
    }
    const x = feed('x', type, data)
    if (!isFloat(type.dtype) || data.length === 0 || i >= operandsMax) return x
    const made = new Map(
      changes
        .filter(([operand]) => operand % Math.min(operandsMax, c.inputs.length) === i)
        .map(([, element, making]) => [element % data.length, making]),
    )
    const flags = (key: keyof Making): readonly number[] => data.map((_, element) => made.get(element)?.[key] ?? 0)
    const huge = type.dtype === 'float16' ? 60000 : 3e38
    const beyond = (name: 'up' | 'down'): Value => b.mul(b.mul(feed(name, type, flags(name)), huge), huge)
    const value = b.sub(b.add(x, beyond('up')), beyond('down'))
    const turned = feed('turned', { dtype: 'bool', shape: type.shape }, flags('turned'))
    return b.select(turned, b.neg(value), value)
  })
  return { operands, inputs }
}
