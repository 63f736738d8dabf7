/** Every elementwise op of generated WebAssembly, on scalars and on vectors, against its definition. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { kernelOf } from '../../../src/backends/codegen/kernel/from-graph.ts'
import type { Kernel, ScalarOp } from '../../../src/backends/codegen/kernel/kernel.ts'
import { applyScalar } from '../../../src/backends/codegen/kernel/scalar.ts'
import { plainSchedule, type Schedule, scheduleFault } from '../../../src/backends/codegen/loops/schedule.ts'
import { toleranceOf } from '../../../src/backends/tolerance.ts'
import { elementwiseOps } from '../../../src/ir/ops/elementwise/index.ts'
import { opDef } from '../../../src/ir/ops/index.ts'
import { parse } from '../../../src/ir/parse.ts'
import { roundTo } from '../../../src/ir/rounding.ts'
import { ieeeOps } from '../../../src/ir/target.ts'
import { type DType, isFloat, type Type } from '../../../src/ir/types.ts'
import { webAssembly } from '../codegen/kernel-backend.ts'

const dtypes = ['float32', 'float16', 'bfloat16', 'int32', 'bool'] as const

interface Case {
  readonly op: ScalarOp
  readonly attrs: { readonly [name: string]: unknown }
  readonly operands: readonly DType[]
  readonly result: DType
}

const attrsOf: { readonly [K in ScalarOp]?: readonly { readonly [name: string]: unknown }[] } = {
  compare: ['eq', 'ne', 'lt', 'le', 'gt', 'ge'].map((direction) => ({ direction })),
  cast: dtypes.map((to) => ({ to, relaxed: false })),
}

const operandsOf = (op: ScalarOp, dtype: DType): readonly DType[] =>
  op === 'select' ? ['bool', dtype, dtype] : new Array<DType>(opDef(op).arity as number).fill(dtype)

/** Each op with each dtype that it accepts. */
const cases = (Object.keys(elementwiseOps) as ScalarOp[]).flatMap((op) =>
  dtypes.flatMap((dtype) =>
    (attrsOf[op] ?? [{}]).flatMap((attrs): Case[] => {
      const operands = operandsOf(op, dtype)
      const { infer } = opDef(op) as {
        infer(types: readonly Type[], attrs: object, declared: readonly Type[]): readonly Type[] | string
      }
      const types = infer(
        operands.map((operand) => ({ dtype: operand, shape: [4] })),
        attrs,
        [],
      )
      return typeof types === 'string' ? [] : [{ op, attrs, operands, result: (types[0] as Type).dtype }]
    }),
  ),
)

const size = 60

const kernelFor = ({ op, attrs, operands, result }: Case): Kernel => {
  const inputs = operands.map((dtype, i) => `%${i} = input() {name="x${i}"} : ${dtype}[${size}]`)
  const shown = Object.entries(attrs).map(([name, value]) => `${name}=${JSON.stringify(value)}`)
  const list = operands.map((_, i) => `%${i}`).join(', ')
  const attrText = shown.length === 0 ? '' : ` {${shown.join(', ')}}`
  const graph = `graph g { ${inputs.join(' ')} %y = ${op}(${list})${attrText} : ${result}[${size}] return y = %y }`
  return kernelOf(parse(graph)).kernel
}

const specialFloats = [
  ...[0, -0, 1, -1, 0.5, -0.5, 1.5, 2.5, -2.5, 3, 6, 6.5, -7, 10, -20, 30, 88.7, -88.7, 100, -104.5, 1e4, -1e4, 65519],
  ...[65520, -65504, 2 ** -14, 2 ** -24, 2 ** -25, 3 * 2 ** -25, 2 ** -126, -(2 ** -149), 2 ** 24 + 2, 2147483520],
  ...[2 ** 31, -(2 ** 31), 3e9, -3e9, 1e22, 3.4028234663852886e38, Infinity, -Infinity, Number.NaN, Math.PI / 2, 0.93],
]
const specialIntegers = [0, 1, -1, 2, -3, 7, 255, 256, 65535, 2 ** 24, 2 ** 24 + 1, 2 ** 31 - 1, -(2 ** 31)]
/** The midpoint between two bfloat16 numbers, plus one: an intermediate rounding to float32 would lose the one. */
const roundedTwice = [2 ** 24 + 2 ** 16, 2 ** 24 + 2 ** 16 + 1, -(2 ** 24) - 2 ** 16 - 1, 2 ** 30 + 2 ** 22 + 1]

const bits = new DataView(new ArrayBuffer(4))
const floatOfBits = (word: number): number => {
  bits.setUint32(0, word)
  return bits.getFloat32(0)
}

const numberOf = (dtype: DType): fc.Arbitrary<number> => {
  if (dtype === 'bool') return fc.constantFrom(0, 1)
  const word = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 })
  if (dtype === 'int32') return fc.oneof(fc.constantFrom(...specialIntegers, ...roundedTwice), word)
  const near = fc.double({ min: -12, max: 12, noNaN: true })
  return fc
    .oneof(
      fc.constantFrom(...specialFloats),
      near,
      word.map((at) => floatOfBits(at >>> 0)),
    )
    .map((x) => roundTo(dtype, Math.fround(x)))
}

const isClose = ({ op, result }: Case, got: number, want: number): boolean => {
  if (Object.is(got, want)) return true
  const { relative, absolute } = toleranceOf(opDef(op).tolerance, result, ieeeOps.includes(op), 1)
  return Math.abs(got - want) <= relative * Math.abs(want) + absolute
}

const schedules: readonly (readonly [string, Schedule])[] = [
  ['single numbers', plainSchedule],
  ['vectors', { ...plainSchedule, vectorAxis: 0 }],
]

describe.each(schedules)('%s', (_, schedule) => {
  test.each(cases.map((one) => [`${one.op}(${one.operands.join(', ')}) ${JSON.stringify(one.attrs)}`, one] as const))(
    '%s',
    (_name, one) => {
      const kernel = kernelFor(one)
      for (const phase of kernel.phases) expect(scheduleFault(phase, schedule)).toBeNull()
      const run = webAssembly(() => schedule)
      const columns = one.operands.map((dtype) => fc.array(numberOf(dtype), { minLength: size, maxLength: size }))
      fc.assert(
        fc.property(fc.tuple(...columns), (operands) => {
          const given = new Map(operands.map((column, at) => [at, Float32Array.from(column)] as const))
          const integers = new Map(operands.map((column, at) => [at, Int32Array.from(column)] as const))
          const filled = run(
            kernel,
            new Map(
              one.operands.map((dtype, at) => [
                at,
                (isFloat(dtype) ? given.get(at) : integers.get(at)) as Float32Array<ArrayBuffer>,
              ]),
            ),
            () => 0,
          )[operands.length] as ArrayLike<number>
          for (let i = 0; i < size; i++) {
            const args = operands.map((column, at) => ({
              value: column[i] as number,
              dtype: one.operands[at] as DType,
            }))
            const call = { op: one.op, attrs: one.attrs as never, dtype: one.result }
            const [got, want] = [filled[i] as number, applyScalar(call, args)]
            if (!isClose(one, got, want))
              throw new Error(`${one.op}(${args.map(({ value }) => value).join(', ')}) is ${got}, expected ${want}`)
          }
        }),
        { numRuns: 20 },
      )
    },
  )
})
