/** Elementwise ops: known values, NaN, infinities, zeros and ties, integers compared with BigInt, and one test for each numbered constraint. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Builder } from '../../../src/ir/build.ts'
import type { UnaryOp } from '../../../src/ir/signatures.ts'
import type { Mode } from '../../../src/ir/interpret.ts'
import { elementwiseOps } from '../../../src/ir/ops/elementwise/index.ts'
import { opVjp } from '../../../src/ir/ops/vjps.ts'
import type { OpAttrs, OpName } from '../../../src/ir/signatures.ts'
import { dtypes, floats as floatTypes, type DType, type Type } from '../../../src/ir/types.ts'
import { constraintTests } from './constraint-tests.ts'
import { floats, gradientsOf, inferOp, runOp, tensor } from './run-op.ts'

const { NaN: nan } = Number
const inf = Infinity
const intMax = 2 ** 31 - 1
const intMin = -(2 ** 31)
type Unary = Exclude<UnaryOp, 'silu'>
type Binary = 'add' | 'sub' | 'mul' | 'div' | 'pow' | 'maximum' | 'minimum' | 'remainder' | 'and' | 'or'

const list = (data: readonly number[], dtype: DType = 'float32') => tensor([data.length], data, dtype)
const unary = (op: Unary, x: readonly number[], dtype: DType = 'float32', mode: Mode = 'float64') =>
  runOp(op, [list(x, dtype)], {}, mode)[0]
/** Rows are the pairs of operands. */
const binary = (
  op: Binary,
  pairs: readonly (readonly [number, number])[],
  dtype: DType = 'float32',
  mode: Mode = 'float64',
) => {
  const [a, b] = [pairs.map(([x]) => x), pairs.map(([, y]) => y)]
  return runOp(op, [list(a, dtype), list(b, dtype)], {}, mode)[0]
}
/** Derivatives; -0 equals 0 here. */
const unaryGradient = (op: Unary, x: readonly number[]) =>
  gradientsOf(op, [list(x)], {}, [list(x.map(() => 1))])[0]?.map((v) => v + 0)
const binaryGradients = (op: Binary, pairs: readonly (readonly [number, number])[]) =>
  gradientsOf(op, [list(pairs.map(([x]) => x)), list(pairs.map(([, y]) => y))], {}, [list(pairs.map(() => 1))]).map(
    (grad) => grad?.map((v) => v + 0),
  )
const of = (dtype: DType, ...shape: readonly number[]): Type => ({ dtype, shape })

const { constraint, checkTotal } = constraintTests()

describe('known values', () => {
  // By mpmath at 40 digits, rounded to float64.
  const known: readonly (readonly [op: Unary, x: number, y: number])[] = [
    ['exp', 1.5, 4.4816890703380645],
    ['exp', -2, 0.1353352832366127],
    ['expm1', 1e-10, 1.00000000005e-10],
    ['expm1', -2, -0.8646647167633873],
    ['log', 3, 1.0986122886681098],
    ['log', 0.125, -2.0794415416798357],
    ['log1p', 1e-10, 9.999999999500001e-11],
    ['log1p', -0.75, -1.3862943611198906],
    ['sqrt', 3, 1.7320508075688772],
    ['rsqrt', 3, 0.5773502691896257],
    ['reciprocal', -8, -0.125],
    ['sin', -4, 0.7568024953079282],
    ['cos', -4, -0.6536436208636119],
    ['tanh', 0.5, 0.46211715726000974],
    ['tanh', -3, -0.9950547536867305],
    ['sigmoid', 0, 0.5],
    ['sigmoid', 1, 0.7310585786300049],
    ['sigmoid', -30, 9.357622968839299e-14],
    ['softplus', 0, Math.LN2],
    ['softplus', 1, 1.3132616875182228],
    ['softplus', -30, 9.357622968839737e-14],
    ['elu', -1, -0.6321205588285577],
    ['elu', 2, 2],
    ['elu', -0.5, -0.3934693402873666],
    ['elu', -1e-10, -9.999999999500001e-11],
    ['selu', -1e-10, -1.7580993407594719e-10],
    // The fixed point of the paper: a standard normal keeps mean 0 and variance 1.
    ['selu', -1, -1.1113307378125628],
    ['selu', 2, 2.101401974710961],
    ['erf', 0.001, 0.0011283787909692365],
    ['erf', 0.1, 0.1124629160182849],
    ['erf', 0.5, 0.5204998778130465],
    ['erf', 1, 0.8427007929497149],
    ['erf', 1.75, 0.9866716712191824],
    ['erf', 2, 0.9953222650189527],
    ['erf', 2.0625, 0.9964637508747902],
    ['erf', 2.75, 0.9998993780778803],
    ['erf', 2.7875634222219734, 0.9999192657600953],
    ['erf', 3, 0.9999779095030014],
    ['erf', 4, 0.9999999845827421],
    ['erf', 5.5, 0.9999999999999927],
  ]
  test.each(known)('%s(%d)', (op, x, y) => {
    const [got = nan] = unary(op, [x]) ?? []
    expect(Math.abs(got - y)).toBeLessThanOrEqual(1e-15 * Math.abs(y))
  })
  test('floor and ceil keep the sign of zero', () => {
    expect(unary('floor', [1.5, -1.5, -0.5, -0, -inf, nan])).toEqual([1, -2, -1, -0, -inf, nan])
    expect(unary('ceil', [1.5, -1.5, -0.5, -0, inf, nan])).toEqual([2, -1, -0, -0, inf, nan])
  })
  test('not, and, or', () => {
    expect(unary('not', [0, 1], 'bool')).toEqual([1, 0])
    const pairs = [
      [0, 0],
      [0, 1],
      [1, 0],
      [1, 1],
    ] as const
    expect(binary('and', pairs, 'bool')).toEqual([0, 0, 0, 1])
    expect(binary('or', pairs, 'bool')).toEqual([0, 1, 1, 1])
  })
  test('isFinite', () => {
    expect(unary('isFinite', [0, -0, 1e300, 5e-324, nan, inf, -inf])).toEqual([1, 1, 1, 1, 0, 0, 0])
    expect(inferOp('isFinite', [of('bfloat16', 2, 3)], {})).toEqual([of('bool', 2, 3)])
  })
  test.each(['floor', 'ceil', 'exp', 'expm1', 'log', 'sqrt', 'sin', 'tanh', 'erf', 'sigmoid', 'elu', 'selu'] as const)(
    '%s of NaN is NaN',
    (op) => expect(unary(op, [nan])).toEqual([nan]),
  )
})

describe('types', () => {
  for (const op of [
    ...(['floor', 'ceil', 'round', 'exp', 'expm1', 'log', 'log1p', 'sqrt', 'rsqrt', 'reciprocal', 'sin'] as const),
    ...(['cos', 'tanh', 'erf', 'sigmoid', 'softplus', 'relu', 'relu6', 'elu', 'selu', 'isFinite'] as const),
  ])
    constraint(op, 1, () => {
      for (const dtype of ['int32', 'bool'] as const)
        expect(inferOp(op, [of(dtype, 3)], {})).toBe(`C1: a float operand is needed, got ${dtype}[3]`)
      for (const dtype of floatTypes)
        expect(inferOp(op, [of(dtype, 3)], {})).toEqual([of(op === 'isFinite' ? 'bool' : dtype, 3)])
    })
  for (const op of ['neg', 'abs', 'sign'] as const)
    constraint(op, 1, () => {
      expect(inferOp(op, [of('bool', 3)], {})).toBe('C1: a numeric operand is needed, got bool[3]')
      for (const dtype of [...floatTypes, 'int32'] as const)
        expect(inferOp(op, [of(dtype, 3)], {})).toEqual([of(dtype, 3)])
    })
  constraint('not', 1, () => {
    expect(inferOp('not', [floats(3)], {})).toBe('C1: a bool operand is needed, got float32[3]')
    expect(inferOp('not', [of('bool', 3)], {})).toEqual([of('bool', 3)])
  })

  for (const op of ['add', 'sub', 'mul', 'div', 'pow', 'maximum', 'minimum', 'remainder', 'and', 'or'] as const) {
    const own = op === 'and' || op === 'or' ? 'bool' : 'float32'
    constraint(op, 1, () => {
      // These ops do not broadcast: `broadcast` is a separate op.
      for (const shape of [[1], [3, 1], []])
        expect(inferOp(op, [of(own, 3), of(own, ...shape)], {})).toBe(
          `C1: operand shapes differ: ${own}[3] and ${own}[${shape.join(',')}]`,
        )
      expect(inferOp(op, [of(own, 2, 3), of(own, 2, 3)], {})).toEqual([of(own, 2, 3)])
    })
    if (own === 'bool')
      constraint(op, 2, () => {
        expect(inferOp(op, [floats(3), floats(3)], {})).toBe('C2: bool operands are needed, got float32 and float32')
        expect(inferOp(op, [of('bool', 3), of('int32', 3)], {})).toBe(
          'C2: bool operands are needed, got bool and int32',
        )
      })
    else {
      constraint(op, 2, () =>
        expect(inferOp(op, [floats(3), of('float16', 3)], {})).toBe('C2: operand dtypes differ: float32 and float16'),
      )
      constraint(op, 3, () =>
        expect(inferOp(op, [of('bool', 3), of('bool', 3)], {})).toBe('C3: numeric operands are needed, got bool'),
      )
    }
  }
  constraint('pow', 4, () => {
    expect(inferOp('pow', [of('int32', 3), of('int32', 3)], {})).toBe('C4: float operands are needed, got int32')
    for (const dtype of floatTypes) expect(inferOp('pow', [of(dtype), of(dtype)], {})).toEqual([of(dtype)])
  })
  constraint('compare', 1, () =>
    expect(inferOp('compare', [floats(3), floats(1)], { direction: 'lt' })).toBe(
      'C1: operand shapes differ: float32[3] and float32[1]',
    ),
  )
  constraint('compare', 2, () => {
    expect(inferOp('compare', [floats(3), of('int32', 3)], { direction: 'lt' })).toBe(
      'C2: operand dtypes differ: float32 and int32',
    )
    for (const dtype of dtypes)
      expect(inferOp('compare', [of(dtype, 3), of(dtype, 3)], { direction: 'eq' })).toEqual([of('bool', 3)])
  })
  constraint('select', 1, () =>
    expect(inferOp('select', [floats(3), floats(3), floats(3)], {})).toBe(
      'C1: the condition must be bool, got float32',
    ),
  )
  constraint('select', 2, () => {
    const condition = of('bool', 3)
    expect(inferOp('select', [condition, floats(3), of('float16', 3)], {})).toBe(
      'C2: branches differ: float32[3] and float16[3]',
    )
    expect(inferOp('select', [condition, floats(3), floats(1)], {})).toBe(
      'C2: branches differ: float32[3] and float32[1]',
    )
  })
})

describe('signs, NaN, infinities', () => {
  constraint('neg', 2, () => {
    expect(unary('neg', [0, -0, 2, inf, nan])).toEqual([-0, 0, -2, -inf, nan])
    expect(unary('neg', [0, 7, intMax, intMin], 'int32')).toEqual([0, -7, -intMax, intMin])
  })
  constraint('abs', 2, () => {
    expect(unary('abs', [nan, -0, -3, -inf])).toEqual([nan, 0, 3, inf])
    expect(unary('abs', [-5, intMin], 'int32')).toEqual([5, intMin])
  })
  constraint('sign', 2, () => {
    expect(unary('sign', [nan, 0, -0, 5e-324, -inf])).toEqual([nan, 0, -0, 1, -1])
    expect(unary('sign', [intMin, 0, 9], 'int32')).toEqual([-1, 0, 1])
  })
  constraint('round', 2, () => {
    expect(unary('round', [0.5, 1.5, 2.5, -0.5, -1.5, -2.5])).toEqual([0, 2, 2, -0, -2, -2])
    expect(unary('round', [0, -0, -0.25, 0.75, nan, inf, -inf])).toEqual([0, -0, -0, 1, nan, inf, -inf])
    expect(unary('round', [0.49999999999999994, -0.49999999999999994, 2 ** 52 - 0.5, 2 ** 53 + 2])).toEqual([
      0,
      -0,
      2 ** 52,
      2 ** 53 + 2,
    ])
    // Adding 2^52 makes the machine round to an integer, ties to even.
    const byMachine = (x: number): number => Math.sign(x) * (Math.abs(x) + 2 ** 52 - 2 ** 52)
    const quarters = fc.integer({ min: -(2 ** 40), max: 2 ** 40 }).map((n) => n / 4)
    fc.assert(
      fc.property(fc.oneof(quarters, fc.double({ min: -(2 ** 51), max: 2 ** 51, noNaN: true })), (x) => {
        expect(unary('round', [x])).toEqual([byMachine(x)])
      }),
    )
  })
  constraint('exp', 2, () => {
    expect(unary('exp', [710, inf, -800, -inf])).toEqual([inf, inf, 0, 0])
    expect(unary('exp', [89], 'float32', 'declared')).toEqual([inf])
    expect(unary('exp', [12], 'float16', 'declared')).toEqual([inf])
    expect(unary('exp', [12], 'bfloat16', 'declared')).toEqual([162816]) // 162754.79… = 158.9… * 1024
  })
  constraint('log', 2, () => expect(unary('log', [-1, -inf, 0, -0, inf])).toEqual([nan, nan, -inf, -inf, inf]))
  constraint('log1p', 2, () => expect(unary('log1p', [-1.5, -1, -0, inf])).toEqual([nan, -inf, -0, inf]))
  constraint('sqrt', 2, () => {
    expect(unary('sqrt', [-1, -inf, 0, -0, inf, 49])).toEqual([nan, nan, 0, -0, inf, 7])
    // x in [1, 4) has a root in [1, 2), where float32 steps by 2^-23; the squares of 25-bit numbers are exact in float64.
    fc.assert(
      fc.property(fc.integer({ min: 2 ** 23, max: 2 ** 25 - 4 }), (n) => {
        const x = Math.fround(n / 2 ** 23)
        const [root = nan] = unary('sqrt', [x], 'float32', 'declared') ?? []
        expect((root - 2 ** -24) ** 2).toBeLessThanOrEqual(x)
        expect((root + 2 ** -24) ** 2).toBeGreaterThanOrEqual(x)
      }),
    )
  })
  constraint('rsqrt', 2, () => expect(unary('rsqrt', [-1, 0, -0, inf, 0.25])).toEqual([nan, inf, -inf, 0, 2]))
  constraint('reciprocal', 2, () => expect(unary('reciprocal', [0, -0, inf, -inf])).toEqual([inf, -inf, 0, -0]))
  constraint('sin', 2, () => expect(unary('sin', [inf, -inf, -0])).toEqual([nan, nan, -0]))
  constraint('cos', 2, () => expect(unary('cos', [inf, -inf, -0])).toEqual([nan, nan, 1]))
  constraint('erf', 2, () => {
    expect(unary('erf', [-0, inf, -inf, 5e-324])).toEqual([-0, 1, -1, 5e-324])
    fc.assert(
      fc.property(fc.double({ noNaN: true }), (x) => {
        const [y = nan, mirrored = nan] = unary('erf', [x, -x]) ?? []
        expect(mirrored).toBe(-y)
        expect(Math.abs(y)).toBeLessThanOrEqual(1)
      }),
    )
  })
  constraint('sigmoid', 2, () => expect(unary('sigmoid', [-inf, inf, -1000, 1000])).toEqual([0, 1, 0, 1]))
  constraint('softplus', 2, () =>
    expect(unary('softplus', [1000, -1000, inf, -inf, nan])).toEqual([1000, 0, inf, 0, nan]),
  )
  constraint('relu', 2, () => expect(unary('relu', [nan, -1, inf, -inf])).toEqual([nan, 0, inf, 0]))
  constraint('relu6', 2, () => expect(unary('relu6', [nan, -1, 5, 6, 7, inf, -inf])).toEqual([nan, 0, 5, 6, 6, 6, 0]))

  const infinities = [
    [inf, -inf],
    [nan, 1],
    [1, nan],
    [inf, 1],
  ] as const
  constraint('add', 5, () => {
    expect(binary('add', infinities)).toEqual([nan, nan, nan, inf])
    // From 2048 on the distance is 2: 2049 and 2051 are ties, and their even neighbors are 2048 and 2052.
    const pairs = [
      [2048, 1],
      [2050, 1],
    ] as const
    expect(binary('add', pairs, 'float16', 'declared')).toEqual([2048, 2052])
  })
  constraint('sub', 5, () => {
    expect(binary('sub', infinities)).toEqual([inf, nan, nan, inf])
    expect(binary('sub', [[inf, inf]])).toEqual([nan])
    expect(binary('sub', [[1, 2 ** -10]], 'bfloat16', 'declared')).toEqual([1])
  })
  constraint('mul', 5, () => {
    expect(binary('mul', [...infinities, [0, inf], [-inf, 0], [-0, 3]])).toEqual([-inf, nan, nan, inf, nan, nan, -0])
    expect(binary('mul', [[256, 256]], 'float16', 'declared')).toEqual([inf])
  })
  constraint('div', 5, () => {
    const zeros = [
      [1, 0],
      [1, -0],
      [0, 0],
      [inf, inf],
      [-1, inf],
    ] as const
    expect(binary('div', zeros)).toEqual([inf, -inf, nan, nan, -0])
    expect(binary('div', [[1, 3]], 'float32', 'declared')).toEqual([Math.fround(1 / 3)])
  })
  constraint('pow', 5, () => {
    const ones = [nan, inf, -inf, 0].map((y) => [1, y] as const)
    const toZero = [nan, inf, -inf, 0, -0, -3].map((x) => [x, 0] as const)
    expect(binary('pow', ones)).toEqual([1, 1, 1, 1])
    expect(binary('pow', toZero)).toEqual([1, 1, 1, 1, 1, 1])
    // IEEE 754-2019, 9.2.1.
    const cases: readonly (readonly [number, number, number])[] = [
      [-1, inf, 1],
      [-1, -inf, 1],
      [-1, nan, nan],
      [nan, 1, nan],
      [0, -2, inf],
      [-0, -3, -inf],
      [-0, -2, inf],
      [-0, 3, -0],
      [-2, 3, -8],
      [-2, -2, 0.25],
      [0.5, inf, 0],
      [2, -inf, 0],
      [-0.5, -inf, inf],
      [-inf, 3, -inf],
      [-inf, -3, -0],
      [-inf, 0.5, inf],
    ]
    expect(
      binary(
        'pow',
        cases.map(([x, y]) => [x, y] as const),
      ),
    ).toEqual(cases.map(([, , z]) => z))
  })
  constraint('pow', 6, () => {
    const pairs = [
      [-8, 1 / 3],
      [-0.25, -0.5],
      [-1e-300, 2.5],
    ] as const
    expect(binary('pow', pairs)).toEqual([nan, nan, nan])
  })
  const ordered = [
    [nan, 1],
    [1, nan],
    [0, -0],
    [-0, 0],
    [-inf, 2],
  ] as const
  constraint('maximum', 4, () => expect(binary('maximum', ordered)).toEqual([nan, nan, 0, 0, 2]))
  constraint('minimum', 4, () => expect(binary('minimum', ordered)).toEqual([nan, nan, -0, -0, -inf]))
  test('maximum and minimum of int32', () => {
    expect(binary('maximum', [[intMin, intMax]], 'int32')).toEqual([intMax])
    expect(binary('minimum', [[intMin, intMax]], 'int32')).toEqual([intMin])
  })
  constraint('remainder', 5, () => {
    const cases: readonly (readonly [number, number, number])[] = [
      [7, 3, 1],
      [-7, 3, -1],
      [7, -3, 1],
      [-7, -3, -1],
      [-4, 2, -0],
      [-0, 2, -0],
      [5.5, -inf, 5.5],
      [inf, 2, nan],
      [1, 0, nan],
      [nan, 1, nan],
    ]
    expect(
      binary(
        'remainder',
        cases.map(([x, y]) => [x, y] as const),
      ),
    ).toEqual(cases.map(([, , z]) => z))
    // Both on one grid of 2^-20: the remainder of the integers, which truncating division of BigInt gives.
    const grid = fc.integer({ min: -(2 ** 31), max: 2 ** 31 })
    fc.assert(
      fc.property(grid, grid, fc.integer({ min: 0, max: 400 }), (x, y, exponent) => {
        fc.pre(y !== 0)
        const want = Number((BigInt(x) << BigInt(exponent)) % BigInt(y)) / 2 ** 20
        const [got = nan] = binary('remainder', [[(x * 2 ** exponent) / 2 ** 20, y / 2 ** 20]]) ?? []
        expect(got + 0).toBe(want)
      }),
    )
  })
})

describe('integers', () => {
  const int32 = fc.oneof(fc.integer({ min: intMin, max: intMax }), fc.constantFrom(intMin, intMax, -1, 0, 1))
  /** Compared with exact integers modulo 2^32. */
  const agrees = (op: Binary, exact: (x: bigint, y: bigint) => bigint): void => {
    fc.assert(
      fc.property(int32, int32, (x, y) => {
        expect(binary(op, [[x, y]], 'int32')).toEqual([Number(BigInt.asIntN(32, exact(BigInt(x), BigInt(y))))])
      }),
    )
  }
  constraint('add', 4, () => {
    expect(binary('add', [[intMax, 1]], 'int32')).toEqual([intMin])
    agrees('add', (x, y) => x + y)
  })
  constraint('sub', 4, () => {
    expect(binary('sub', [[intMin, 1]], 'int32')).toEqual([intMax])
    agrees('sub', (x, y) => x - y)
  })
  constraint('mul', 4, () => {
    // Beyond 2^53, where float64 would lose the low bits.
    expect(binary('mul', [[intMax, intMax]], 'int32')).toEqual([1])
    agrees('mul', (x, y) => x * y)
  })
  constraint('div', 4, () => {
    const cases: readonly (readonly [number, number, number])[] = [
      [7, 2, 3],
      [-7, 2, -3],
      [7, -2, -3],
      [-1, 2, 0],
      [5, 0, 0],
      [intMin, -1, intMin],
    ]
    expect(
      binary(
        'div',
        cases.map(([x, y]) => [x, y] as const),
        'int32',
      ),
    ).toEqual(cases.map(([, , z]) => z))
    agrees('div', (x, y) => (y === 0n ? 0n : x / y))
  })
  constraint('remainder', 4, () => {
    const pairs = [
      [5, 0],
      [-7, 3],
      [-6, 3],
      [intMin, -1],
    ] as const
    expect(binary('remainder', pairs, 'int32')).toEqual([0, -1, 0, 0])
    agrees('remainder', (x, y) => (y === 0n ? 0n : x % y))
  })
})

describe('compare, select, cast', () => {
  type Direction = OpAttrs<'compare'>['direction']
  const directions: readonly Direction[] = ['eq', 'ne', 'lt', 'le', 'gt', 'ge']
  /** By direction, in the order above. */
  const compared = (x: number, y: number, dtype: DType = 'float32') =>
    directions.map((direction) => runOp('compare', [list([x], dtype), list([y], dtype)], { direction })[0]?.[0])
  constraint('compare', 3, () => {
    for (const [x, y] of [
      [nan, nan],
      [nan, 1],
      [-inf, nan],
    ] as const)
      expect(compared(x, y)).toEqual([0, 1, 0, 0, 0, 0])
  })
  constraint('compare', 4, () => {
    expect(compared(0, -0)).toEqual([1, 0, 0, 1, 0, 1])
    expect(compared(-0, 0)).toEqual([1, 0, 0, 1, 0, 1])
  })
  test('compare of numbers, infinities, integers and bools', () => {
    expect(compared(1, 2)).toEqual([0, 1, 1, 1, 0, 0])
    expect(compared(inf, inf)).toEqual([1, 0, 0, 1, 0, 1])
    expect(compared(intMin, intMax, 'int32')).toEqual([0, 1, 1, 1, 0, 0])
    expect(compared(1, 0, 'bool')).toEqual([0, 1, 0, 0, 1, 1])
  })

  const a = list([1, 2, 3])
  const b = list([10, 20, 30])
  const chosen = (condition: readonly number[], shape: readonly number[] = [condition.length]) =>
    [tensor(shape, condition, 'bool'), a, b] as const
  constraint('select', 3, () => {
    for (const shape of [[1], [3, 1], [2]])
      expect(inferOp('select', [of('bool', ...shape), floats(3), floats(3)], {})).toBe(
        `C3: a condition bool[${shape.join(',')}] for branches float32[3]`,
      )
    expect(runOp('select', chosen([1, 0, 1]), {})).toEqual([[1, 20, 3]])
    expect(runOp('select', chosen([1], []), {})).toEqual([[1, 2, 3]])
    expect(runOp('select', chosen([0], []), {})).toEqual([[10, 20, 30]])
    const g = [list([5, 6, 7])]
    expect(gradientsOf('select', chosen([1, 0, 1]), {}, g)).toEqual([null, [5, 0, 7], [0, 6, 0]])
    expect(gradientsOf('select', chosen([0], []), {}, g)).toEqual([null, [0, 0, 0], [5, 6, 7]])
  })
  constraint('select', 4, () => {
    const operands = [list([1, 0], 'bool'), list([1, nan]), list([inf, 2])]
    expect(runOp('select', operands, {})).toEqual([[1, 2]])
    expect(gradientsOf('select', operands, {}, [list([nan, 3])])).toEqual([null, [nan, 0], [0, 3]])
  })
  test('select of integers has no gradient', () =>
    expect(
      gradientsOf('select', [list([1], 'bool'), list([1], 'int32'), list([2], 'int32')], {}, [list([1], 'int32')]),
    ).toEqual([null, null, null]))

  const cast = (x: readonly number[], from: DType, to: DType, relaxed = false) =>
    runOp('cast', [list(x, from)], { to, relaxed }, 'declared')[0]
  constraint('cast', 1, () => {
    expect(cast([0.1, 1 + 2 ** -11, 1 + 3 * 2 ** -11, 65520, -0, nan], 'float32', 'float16')).toEqual([
      0.0999755859375,
      1,
      1 + 2 ** -9,
      inf,
      -0,
      nan,
    ])
    expect(cast([1 + 2 ** -8, 1 + 3 * 2 ** -8], 'float32', 'bfloat16')).toEqual([1, 1 + 2 ** -6])
    expect(cast([2 ** 24 + 1, 2 ** 24 + 3, intMax], 'int32', 'float32')).toEqual([2 ** 24, 2 ** 24 + 4, 2 ** 31])
  })
  constraint('cast', 2, () => {
    expect(cast([1.9, -1.9, -0.5, 3e9, -3e9, inf, -inf, nan], 'float32', 'int32')).toEqual([
      1,
      -1,
      0,
      intMax,
      intMin,
      intMax,
      intMin,
      0,
    ])
  })
  constraint('cast', 3, () => {
    expect(cast([0, -0, 1e-40, nan, -inf, 2], 'float32', 'bool')).toEqual([0, 0, 1, 1, 1, 1])
    expect(cast([0, -3, 256], 'int32', 'bool')).toEqual([0, 1, 1])
  })
  constraint('cast', 4, () => {
    for (const to of dtypes) expect(cast([0, 1], 'bool', to)).toEqual([0, 1])
  })
  constraint('cast', 5, () => {
    // By itself a relaxed cast rounds like any other cast. The cast of its gradient may be removed with it.
    expect(cast([0.1], 'float32', 'float16', true)).toEqual([0.0999755859375])
    const builder = new Builder('gradient')
    const [x, g] = [builder.input('x', floats(1)), builder.input('g', of('float16', 1))]
    const vjp = opVjp('cast')
    if (typeof vjp !== 'function') throw new Error('no gradient')
    const [dx] = vjp({ outGrads: [g], inputs: [x], outputs: [g], attrs: { to: 'float16', relaxed: true }, b: builder })
    if (dx === undefined || dx === null) throw new Error('no gradient')
    expect(builder.finish({ dx }).nodes.at(-1)).toMatchObject({ op: 'cast', attrs: { to: 'float32', relaxed: true } })
  })
  test('cast has a gradient only from float to float', () => {
    const gradient = (from: DType, to: DType) =>
      gradientsOf('cast', [list([1, 2], from)], { to, relaxed: false }, [list([3, 4], to)])[0]
    for (const from of dtypes)
      for (const to of dtypes) {
        const isBothFloat = floatTypes.some((f) => f === from) && floatTypes.some((f) => f === to)
        expect(gradient(from, to)).toEqual(isBothFloat ? [3, 4] : null)
      }
  })
})

describe('gradients at kinks, ties and poles', () => {
  constraint('abs', 3, () => expect(unaryGradient('abs', [0, -0, 2, -2, nan])).toEqual([0, 0, 1, -1, nan]))
  constraint('relu', 3, () => expect(unaryGradient('relu', [0, -0, 2, -2])).toEqual([0, 0, 1, 0]))
  constraint('relu6', 3, () => expect(unaryGradient('relu6', [0, 6, 3, 7, -1])).toEqual([0, 0, 1, 0, 0]))
  test('elu has no kink', () => expect(unaryGradient('elu', [0, -0, 1])).toEqual([1, 1, 1]))
  constraint('selu', 2, () => {
    const [atZero = nan, right] = unaryGradient('selu', [0, 1]) ?? []
    expect(atZero).toBeCloseTo(1.7580993408473768, 14)
    expect(right).toBe(1.0507009873554805)
  })
  const ties = [
    [2, 2],
    [0, -0],
    [3, 1],
    [1, 3],
    [nan, 1],
    [1, nan],
  ] as const
  constraint('maximum', 5, () =>
    expect(binaryGradients('maximum', ties)).toEqual([
      [1, 1, 1, 0, 0, 0],
      [0, 0, 0, 1, 0, 0],
    ]),
  )
  constraint('minimum', 5, () =>
    expect(binaryGradients('minimum', ties)).toEqual([
      [1, 1, 0, 1, 0, 0],
      [0, 0, 1, 0, 0, 0],
    ]),
  )
  constraint('pow', 7, () => {
    const pairs = [
      [0, 0],
      [-0, 0],
      [3, 0],
      [0, 2],
      [0, 1],
      [-2, 3],
    ] as const
    expect(binaryGradients('pow', pairs)).toEqual([
      [0, 0, 0, 0, 1, 12],
      [0, 0, Math.log(3), 0, 0, 0],
    ])
  })
  constraint('remainder', 6, () => {
    const pairs = [
      [7, 2],
      [-7, 2],
      [7, -2],
      [6, 2],
      [1, inf],
    ] as const
    expect(binaryGradients('remainder', pairs)).toEqual([
      [1, 1, 1, 1, 1],
      [-3, 3, 3, -3, 0],
    ])
  })
  test('div: 1/y and -x/y^2', () => expect(binaryGradients('div', [[3, 4]])).toEqual([[0.25], [-0.1875]]))
  test.each<[Unary, number, number]>([
    ['sigmoid', 0, 0],
    ['softplus', 0, 1],
    ['tanh', 0, 0],
    ['erf', 0, 0],
    ['elu', 0, 1],
    ['selu', 0, 1.0507009873554805],
    ['relu', 0, 1],
    ['relu6', 0, 0],
  ])('%s has finite gradients at -1000 and 1000', (op, left, right) =>
    expect(unaryGradient(op, [-1000, 1000])).toEqual([left, right]),
  )
})

checkTotal(Object.keys(elementwiseOps) as OpName[]) // its keys are the ops
