import { type Arbitrary, fc } from '../fast-check.ts'
import type { OpName, TrainingOps } from '../../ir/signatures.ts'
import type { Type } from '../../ir/types.ts'
import { moderate, shapeArb, tensorArb } from '../arbitraries.ts'
import type { CaseInput, CaseTable, OpCase } from '../op-case.ts'

const scalar = (dtype: Type['dtype'], element: Arbitrary<number>): Arbitrary<CaseInput> =>
  tensorArb({ dtype, shape: [] }, element)
const rate = scalar('float32', moderate(0, 1))
const step = scalar('int32', fc.nat(20))
const finite = scalar('bool', fc.integer({ min: 0, max: 1 }))
const any = moderate(-2, 2)
const positive = moderate(0, 2)

/** Float32 tensors of one shape, each drawn from its own range, then scalars. */
const slots = (
  ranges: readonly Arbitrary<number>[],
  ...scalars: readonly Arbitrary<CaseInput>[]
): Arbitrary<readonly CaseInput[]> =>
  shapeArb({ max: 2 }, 3).chain((shape) =>
    fc.tuple(...ranges.map((range) => tensorArb({ dtype: 'float32', shape }, range)), ...scalars),
  )

const cases = <K extends OpName>(
  op: K,
  inputs: Arbitrary<readonly CaseInput[]>,
  attrs: Arbitrary<OpCase<K>['attrs']>,
): Arbitrary<OpCase<K>> =>
  fc.tuple(inputs, attrs).map(([given, of]) => ({ op, inputs: given, attrs: of, isSmooth: false }))

export const trainingCases: CaseTable<TrainingOps> = {
  rmsprop: cases(
    'rmsprop',
    slots([any, any, positive, any], rate, finite),
    fc.constant({ rho: 0.9, momentum: 0.9, epsilon: 1e-3 }),
  ),
  sgd: cases(
    'sgd',
    slots([any, any, any], rate, finite),
    fc.boolean().map((nesterov) => ({ momentum: 0.75, nesterov })),
  ),
  adam: cases(
    'adam',
    slots([any, any, any, positive], rate, step, finite),
    fc.constantFrom(0, 0.125).map((weightDecay) => ({ beta1: 0.9, beta2: 0.99, epsilon: 1e-3, weightDecay })),
  ),
  ema: cases(
    'ema',
    slots([any, any], step, finite),
    fc.constantFrom(0.25, 0.9999).map((decay) => ({ decay })),
  ),
  allFinite: cases(
    'allFinite',
    fc
      .array(shapeArb({ max: 2 }, 3), { minLength: 1, maxLength: 3 })
      .chain((shapes) =>
        fc.tuple(
          ...shapes.map((shape) =>
            tensorArb(
              { dtype: 'float32', shape },
              fc.oneof({ weight: 30, arbitrary: any }, fc.constantFrom(Number.NaN, Infinity, -Infinity)),
            ),
          ),
        ),
      ),
    fc.constant({}),
  ),
  lossScaleUpdate: cases(
    'lossScaleUpdate',
    fc.tuple(scalar('float32', fc.constantFrom(1, 2, 1024, 2 ** 127)), scalar('int32', fc.nat(3)), finite),
    fc.constant({ interval: 3, least: 1 }),
  ),
}
