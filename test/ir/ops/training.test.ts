/** Ops of the training step: one test for each numbered constraint, and the accuracy of the float32 decompositions against float64. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Builder } from '../../../src/ir/build.ts'
import { interpret, type Mode } from '../../../src/ir/interpret.ts'
import { opDef } from '../../../src/ir/ops/index.ts'
import { trainingOps } from '../../../src/ir/ops/training/index.ts'
import type { OpAttrs, OpName, TrainingOps } from '../../../src/ir/signatures.ts'
import type { DType, Type } from '../../../src/ir/types.ts'
import { constraintTests } from './constraint-tests.ts'
import { inferOp, type Operand, runOp, tensor } from './run-op.ts'

type Name = keyof TrainingOps
const names = Object.keys(trainingOps) as readonly Name[] // the table's keys are the ops
const { constraint, checkTotal } = constraintTests()
const { NaN: nan } = Number

const f32 = (...shape: readonly number[]): Type => ({ dtype: 'float32', shape })
const scalar = (dtype: DType): Type => ({ dtype, shape: [] })
const [rate, step, finite] = [scalar('float32'), scalar('int32'), scalar('bool')]

/** The number of operands with the shape of the variable, and the scalar operands after them. */
const operands: { readonly [K in Exclude<Name, 'allFinite' | 'lossScaleUpdate'>]: readonly [number, readonly Type[]] } =
  {
    rmsprop: [4, [rate, finite]],
    sgd: [3, [rate, finite]],
    adam: [4, [rate, step, finite]],
    ema: [2, [step, finite]],
  }
const attrs: { readonly [K in Name]: OpAttrs<K> } = {
  rmsprop: { rho: 0.9, momentum: 0.9, epsilon: 1e-3 },
  sgd: { momentum: 0.9, nesterov: true },
  adam: { beta1: 0.9, beta2: 0.999, epsilon: 1e-7, weightDecay: 0.004 },
  ema: { decay: 0.9999 },
  allFinite: {},
  lossScaleUpdate: { interval: 3, least: 1 },
}
const guardedOps = ['rmsprop', 'sgd', 'adam', 'ema'] as const

/** The op by its decomposition, with each node rounded in mode 'declared'. */
const decomposed = (op: OpName, given: readonly Operand[], of: object, mode: Mode): readonly (readonly number[])[] => {
  const b = new Builder(op)
  const inputs = given.map(({ shape, dtype = 'float32' }, i) => b.input(`x${i}`, { dtype, shape }))
  const results = opDef(op).decompose?.({ inputs, attrs: of, types: [], b }) ?? []
  const graph = b.finish(Object.fromEntries(results.map((y, i) => [`y${i}`, y])))
  const feeds = Object.fromEntries(given.map(({ data }, i) => [`x${i}`, data]))
  const values = interpret(graph, { inputs: feeds, mode }).outputs
  return results.map((_, i) => [...(values[`y${i}`]?.data ?? [])])
}

const one = (value: number, dtype: DType = 'float32'): Operand => tensor([], [value], dtype)

for (const op of guardedOps) {
  const [count, scalars] = operands[op]
  const same = (type: Type): readonly Type[] => [...new Array<Type>(count).fill(type), ...scalars]
  constraint(op, 1, () => {
    expect(inferOp(op, same(f32(2, 3)), attrs[op])).toEqual(
      new Array<Type>(opDef(op).name === 'sgd' ? 2 : op === 'ema' ? 1 : 3).fill(f32(2, 3)),
    )
    expect(inferOp(op, same({ dtype: 'float16', shape: [2] }), attrs[op])).toMatch(/^C1: float32 of one shape/)
    for (let odd = 1; odd < count; odd++)
      expect(inferOp(op, same(f32(2)).with(odd, f32(3)), attrs[op])).toMatch(/^C1: float32 of one shape/)
  })
  constraint(op, 2, () => {
    for (const [i, type] of scalars.entries()) {
      expect(inferOp(op, same(f32(2)).with(count + i, { ...type, shape: [1] }), attrs[op])).toMatch(/^C2: scalars/)
      expect(inferOp(op, same(f32(2)).with(count + i, { ...type, dtype: 'bfloat16' }), attrs[op])).toMatch(
        /^C2: scalars/,
      )
    }
  })
  constraint(op, 3, () => {
    // Old values that float32 would round, including infinity and -0. All operands of the computation are NaN.
    const old = [0.1, -0, Infinity, 1e-42]
    const slots = Array.from({ length: count }, (_, k) => tensor([4], k === 1 ? [nan, Infinity, nan, -Infinity] : old))
    const given = [...slots, ...scalars.map(({ dtype }) => one(dtype === 'float32' ? nan : 0, dtype))]
    for (const mode of ['float64', 'declared'] as const) {
      const want = mode === 'float64' ? old : old.map(Math.fround)
      for (const got of [runOp(op, given, attrs[op], mode), decomposed(op, given, attrs[op], mode)])
        for (const list of got) list.forEach((x, i) => expect(Object.is(x, want[i])).toBe(true))
    }
  })
}

constraint('allFinite', 1, () => {
  expect(inferOp('allFinite', [f32(2), { dtype: 'float16', shape: [] }], {})).toEqual([scalar('bool')])
  expect(inferOp('allFinite', [], {})).toMatch(/^C1: float operands are needed, got none/)
  expect(inferOp('allFinite', [f32(2), scalar('int32')], {})).toMatch(/^C1: float operands are needed, got int32/)
})
const scaled = (scale: number, good: number, isGood: boolean) =>
  [one(scale), one(good, 'int32'), one(isGood ? 1 : 0, 'bool')] as const
const update = attrs.lossScaleUpdate
constraint('lossScaleUpdate', 1, () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 127 }), fc.nat(3), fc.boolean(), (k, good, isGood) => {
      for (const mode of ['float64', 'declared'] as const) {
        const given = scaled(2 ** k, good, isGood)
        const [[next = nan] = []] = runOp('lossScaleUpdate', given, update, mode)
        expect(Number.isInteger(Math.log2(next)) && 2 ** Math.log2(next) === next).toBe(true)
        expect(decomposed('lossScaleUpdate', given, update, mode)).toEqual(
          runOp('lossScaleUpdate', given, update, mode),
        )
      }
    }),
  )
})
constraint('lossScaleUpdate', 2, () => {
  for (const [i, type] of [rate, step, finite].entries())
    expect(inferOp('lossScaleUpdate', [rate, step, finite].with(i, { ...type, shape: [1] }), update)).toMatch(/^C2: /)
})
constraint('lossScaleUpdate', 3, () => {
  expect(runOp('lossScaleUpdate', scaled(2 ** 126, 2, true), update, 'declared')).toEqual([[2 ** 127], [0]])
  expect(runOp('lossScaleUpdate', scaled(2 ** 127, 2, true), update, 'declared')).toEqual([[2 ** 127], [0]])
  expect(runOp('lossScaleUpdate', scaled(8, 1, true), update, 'declared')).toEqual([[8], [2]])
})
constraint('lossScaleUpdate', 4, () => {
  expect(runOp('lossScaleUpdate', scaled(2, 1, false), update, 'declared')).toEqual([[1], [0]])
  expect(runOp('lossScaleUpdate', scaled(1, 1, false), update, 'declared')).toEqual([[1], [0]])
})
checkTotal(names)

describe('float32 decompositions lose no digits', () => {
  const eps = 2 ** -23
  const steps = fc.oneof(fc.nat(30), fc.nat(100_000), fc.nat(2 ** 24 - 1))
  /** The weights are zero, so the result is the step itself. */
  test('adam: every step, including the first', () => {
    fc.assert(
      fc.property(steps, fc.constantFrom(0.9, 0.99, 0.999, 0.9999), fc.integer({ min: 1, max: 64 }), (t, beta2, n) => {
        const given = [
          ...[0, n / 32, n / 64, n / 16].map((x) => tensor([1], [x])),
          one(1),
          one(t, 'int32'),
          one(1, 'bool'),
        ]
        const of = { ...attrs.adam, beta2, weightDecay: 0 }
        const [[got = nan] = []] = decomposed('adam', given, of, 'declared')
        const [[want = nan] = []] = runOp('adam', given, of)
        expect(Math.abs(got - want)).toBeLessThanOrEqual(8 * eps * Math.abs(want))
      }),
    )
  })
  test('ema: the weight of the new value, up to a decay of 0.99999', () => {
    fc.assert(
      fc.property(steps, fc.constantFrom(0.9, 0.999, 0.9999, 0.99999), (t, decay) => {
        const given = [tensor([1], [0]), tensor([1], [1]), one(t, 'int32'), one(1, 'bool')]
        const [[got = nan] = []] = decomposed('ema', given, { decay }, 'declared')
        const [[want = nan] = []] = runOp('ema', given, { decay })
        expect(Math.abs(got - want)).toBeLessThanOrEqual(2 * eps * want)
      }),
    )
  })
  test('rmsprop and sgd', () => {
    const numbers = fc.integer({ min: -64, max: 64 }).map((n) => n / 64)
    fc.assert(
      fc.property(fc.tuple(numbers, numbers, numbers), ([g, m, v]) => {
        for (const [op, slots] of [
          ['rmsprop', [0, g, v * v, m]],
          ['sgd', [0, g, m]],
        ] as const) {
          const given = [...slots.map((x) => tensor([1], [x])), one(0.5), one(1, 'bool')]
          const got = decomposed(op, given, attrs[op], 'declared')
          const want = runOp(op, given, attrs[op])
          // Relative to the terms: the step is a difference of momentum and gradient.
          const size = Math.abs(m) + Math.abs(g) / Math.sqrt(op === 'rmsprop' ? 0.1 * g * g + 0.9 * v * v + 1e-3 : 1)
          want.forEach(([y = nan], k) => {
            expect(Math.abs((got[k]?.[0] ?? nan) - y)).toBeLessThanOrEqual(8 * eps * (size + Math.abs(y)))
          })
        }
      }),
    )
  })
})
