/** Each instruction of the table computes what the WebAssembly specification says of its name, on an engine. */
import { beforeAll, expect, test } from 'vitest'
import type { Instruction } from '../../../src/backends/wasm/encoder.ts'
import { instructions } from '../../../src/backends/wasm/instructions.ts'
import { hasRelaxedSimd, wasmFault } from '../../../src/backends/wasm/runtime/probe.ts'
import { applying, bytesOf, compiled, loadVector, memory } from './compiled.ts'

// All versions of Node that run these tests have relaxed SIMD; some must be told to allow it.
beforeAll(async () => {
  expect(await hasRelaxedSimd()).toBe(true)
  expect(wasmFault()).toBeNull()
})

type Scalar = (...operands: number[]) => number
const integer: { readonly [op: string]: Scalar } = {
  eqz: (a) => Number(a === 0),
  eq: (a, b) => Number(a === b),
  ne: (a, b) => Number(a !== b),
  lt_s: (a = 0, b = 0) => Number(a < b),
  lt_u: (a = 0, b = 0) => Number(a >>> 0 < b >>> 0),
  gt_s: (a = 0, b = 0) => Number(a > b),
  le_s: (a = 0, b = 0) => Number(a <= b),
  ge_s: (a = 0, b = 0) => Number(a >= b),
  ge_u: (a = 0, b = 0) => Number(a >>> 0 >= b >>> 0),
  add: (a = 0, b = 0) => (a + b) | 0,
  sub: (a = 0, b = 0) => (a - b) | 0,
  mul: (a = 0, b = 0) => Math.imul(a, b),
  div_s: (a = 0, b = 1) => (a / b) | 0,
  rem_s: (a = 0, b = 1) => (a % b) | 0,
  and: (a = 0, b = 0) => a & b,
  or: (a = 0, b = 0) => a | b,
  xor: (a = 0, b = 0) => a ^ b,
  shl: (a = 0, b = 0) => a << b,
  shr_s: (a = 0, b = 0) => a >> b,
  shr_u: (a = 0, b = 0) => (a >>> b) | 0,
  min_s: Math.min,
  max_s: Math.max,
  abs: (a = 0) => Math.abs(a) | 0,
  neg: (a = 0) => -a | 0,
  trunc_sat: (a = 0) => (Number.isNaN(a) ? 0 : Math.trunc(Math.min(Math.max(a, -(2 ** 31)), 2 ** 31 - 1)) | 0),
}
const roundEven = (a: number): number => {
  const below = Math.floor(a)
  const isUp = a - below > 0.5 || (a - below === 0.5 && below % 2 !== 0)
  return Number.isFinite(a) ? Math.sign(1 / a) * Math.abs(below + Number(isUp)) : a
}
const float: { readonly [op: string]: Scalar } = {
  eq: (a, b) => Number(a === b),
  ne: (a, b) => Number(a !== b),
  lt: (a = 0, b = 0) => Number(a < b),
  gt: (a = 0, b = 0) => Number(a > b),
  le: (a = 0, b = 0) => Number(a <= b),
  ge: (a = 0, b = 0) => Number(a >= b),
  add: (a = 0, b = 0) => a + b,
  sub: (a = 0, b = 0) => a - b,
  mul: (a = 0, b = 0) => a * b,
  div: (a = 0, b = 0) => a / b,
  min: Math.min,
  max: Math.max,
  pmin: (a = 0, b = 0) => (b < a ? b : a),
  pmax: (a = 0, b = 0) => (a < b ? b : a),
  abs: Math.abs,
  neg: (a = 0) => -a,
  ceil: Math.ceil,
  floor: Math.floor,
  trunc: Math.trunc,
  nearest: (a = 0) => roundEven(a),
  sqrt: Math.sqrt,
  copysign: (a = 0, b = 0) => (Object.is(Math.sign(b), -0) || b < 0 ? -Math.abs(a) : Math.abs(a)),
}
const comparisons = /^(?:eqz|eq|ne|[lg][te](?:_[su])?)$/
const unary = /^(?:eqz|abs|neg|ceil|floor|trunc|nearest|sqrt)$/

const integers = [0, 1, -1, 7, -7, 33, 2 ** 31 - 1, -(2 ** 31)]
const floats = [0, -0, 1.5, -2.5, 3.5, -0.25, 7, Math.fround(1e10), Infinity, -Infinity, Number.NaN]

const operandsOf = (all: readonly number[], op: string): readonly (readonly number[])[] => {
  if (unary.test(op)) return all.map((a) => [a])
  const pairs = all.flatMap((a) => all.map((b) => [a, b]))
  // These trap.
  return /^(?:div|rem)_s/.test(op) ? pairs.filter(([a, b]) => b !== 0 && !(a === -(2 ** 31) && b === -1)) : pairs
}

/** A vector instruction on operands of sixteen bytes. */
const onVectors = (name: Instruction, operands: readonly Uint8Array[], count?: number): Uint8Array<ArrayBuffer> => {
  const run = compiled(count === undefined ? [] : ['i32'], null, (f) => {
    f.i32(256)
    operands.forEach((_, at) => loadVector(f, 16 * at))
    if (count !== undefined) f.get(0)
    f.op(name)
    f.memory('v128.store')
  })
  operands.forEach((bytes, at) => new Uint8Array(memory.buffer).set(bytes, 16 * at))
  run(...(count === undefined ? [] : [count]))
  return new Uint8Array(memory.buffer.slice(256, 272))
}

type Lanes = 'i32x4' | 'f32x4'
const lanesOf = (type: Lanes, numbers: ArrayBuffer | readonly number[]): Int32Array | Float32Array =>
  type === 'i32x4' ? new Int32Array(numbers) : new Float32Array(numbers)
const groupsOf = (operands: readonly (readonly number[])[]) =>
  Array.from({ length: Math.ceil(operands.length / 4) }, (_, at) =>
    Array.from({ length: 4 }, (__, lane) => operands[(4 * at + lane) % operands.length] as readonly number[]),
  )
const checkLanes = (
  name: Instruction,
  [from, to]: readonly [Lanes, Lanes],
  operands: readonly (readonly number[])[],
  want: Scalar,
) => {
  for (const group of groupsOf(operands)) {
    const operandAt = (at: number): readonly number[] => group.map((each) => each[at] as number)
    const vectors = (group[0] ?? []).map((_, at) => bytesOf(lanesOf(from, operandAt(at))))
    const got = lanesOf(to, onVectors(name, vectors).buffer)
    expect(got).toEqual(
      lanesOf(
        to,
        group.map((each) => want(...each)),
      ),
    )
  }
}

const x = Uint8Array.from({ length: 16 }, (_, i) => (i * 37 + 201) & 255)
const y = Uint8Array.from({ length: 16 }, (_, i) => (i * 91 + 7) & 255)
const z = Uint8Array.from({ length: 16 }, (_, i) => (i * 29 + 77) & 255)
const byByte = (f: (a: number, b: number, c: number) => number) => [
  ...x.map((a, i) => f(a, y[i] as number, z[i] as number)),
]
const inRange = (most: number) => (a: number) => Math.min(Math.max(a, 0), most)
const shorts = Int16Array.of(-5, 0, 1, 255, 256, 300, 32767, -32768)
const words = Int32Array.of(-1, 70_000, 65_535, 12)

/** What is neither a scalar op nor one on each of four lanes. */
const others: { readonly [name: string]: () => void } = {
  unreachable: () => expect(compiled([], null, (f) => f.op('unreachable'))).toThrow('unreachable'),
  drop: () => expect(applying('drop', ['i32', 'i32'], 'i32')(4, 5)).toBe(4),
  select: () => {
    const run = applying('select', ['i32', 'i32', 'i32'], 'i32')
    expect([run(8, 9, 0), run(8, 9, 1)]).toEqual([9, 8])
  },
  'i64.mul': () => expect(applying('i64.mul', ['i64', 'i64'], 'i64')(2n ** 33n + 3n, 5n)).toBe(5n * 2n ** 33n + 15n),
  'i64.shr_u': () => expect(applying('i64.shr_u', ['i64', 'i64'], 'i64')(-1n, 60n)).toBe(15n),
  'i32.wrap_i64': () => expect(applying('i32.wrap_i64', ['i64'], 'i32')(2n ** 40n - 3n)).toBe(-3),
  'i64.extend_i32_u': () => expect(applying('i64.extend_i32_u', ['i32'], 'i64')(-1)).toBe(2n ** 32n - 1n),
  'f32.convert_i32_s': () => expect(applying('f32.convert_i32_s', ['i32'], 'f32')(-7)).toBe(-7),
  'f32.demote_f64': () => expect(applying('f32.demote_f64', ['f64'], 'f32')(0.1)).toBe(Math.fround(0.1)),
  'f64.promote_f32': () => expect(applying('f64.promote_f32', ['f32'], 'f64')(0.1)).toBe(Math.fround(0.1)),
  'i32.trunc_sat_f32_s': () => {
    const run = applying('i32.trunc_sat_f32_s', ['f32'], 'i32')
    expect(floats.map((a) => run(a))).toEqual(floats.map((a) => integer['trunc_sat']?.(a)))
  },
  'i32x4.trunc_sat_f32x4_s': () =>
    checkLanes(
      'i32x4.trunc_sat_f32x4_s',
      ['f32x4', 'i32x4'],
      floats.map((a) => [a]),
      integer['trunc_sat'] as Scalar,
    ),
  'f32x4.convert_i32x4_s': () =>
    checkLanes(
      'f32x4.convert_i32x4_s',
      ['i32x4', 'f32x4'],
      integers.map((a) => [a]),
      (a = 0) => a,
    ),
  'f32x4.convert_i32x4_u': () =>
    checkLanes(
      'f32x4.convert_i32x4_u',
      ['i32x4', 'f32x4'],
      integers.map((a) => [a]),
      (a = 0) => a >>> 0,
    ),
  'f32x4.relaxed_madd': () =>
    checkLanes(
      'f32x4.relaxed_madd',
      ['f32x4', 'f32x4'],
      [
        [2, 3, 4],
        [-1, 5, 0.5],
        [0, 9, 1],
        [7, 7, -7],
      ],
      (a = 0, b = 0, c = 0) => a * b + c,
    ),
  'i8x16.swizzle': () =>
    expect([...onVectors('i8x16.swizzle', [x, y])]).toEqual([...y].map((at) => (at < 16 ? x[at] : 0))),
  'i8x16.add': () => expect([...onVectors('i8x16.add', [x, y])]).toEqual(byByte((a, b) => (a + b) & 255)),
  'i8x16.sub': () => expect([...onVectors('i8x16.sub', [x, y])]).toEqual(byByte((a, b) => (a - b) & 255)),
  'v128.not': () => expect([...onVectors('v128.not', [x])]).toEqual(byByte((a) => 255 - a)),
  'v128.and': () => expect([...onVectors('v128.and', [x, y])]).toEqual(byByte((a, b) => a & b)),
  'v128.or': () => expect([...onVectors('v128.or', [x, y])]).toEqual(byByte((a, b) => a | b)),
  'v128.bitselect': () =>
    expect([...onVectors('v128.bitselect', [x, y, z])]).toEqual(byByte((a, b, c) => (a & c) | (b & ~c & 255))),
  'i8x16.narrow_i16x8_u': () =>
    expect([...onVectors('i8x16.narrow_i16x8_u', [bytesOf(shorts), bytesOf(shorts)])]).toEqual(
      [...shorts, ...shorts].map(inRange(255)),
    ),
  'i16x8.narrow_i32x4_u': () =>
    expect([...new Uint16Array(onVectors('i16x8.narrow_i32x4_u', [bytesOf(words), bytesOf(words)]).buffer)]).toEqual(
      [...words, ...words].map(inRange(65_535)),
    ),
  'i16x8.extend_low_i8x16_u': () =>
    expect([...new Uint16Array(onVectors('i16x8.extend_low_i8x16_u', [x]).buffer)]).toEqual([...x.subarray(0, 8)]),
  'i32x4.extend_low_i16x8_u': () =>
    expect([...new Uint32Array(onVectors('i32x4.extend_low_i16x8_u', [bytesOf(shorts)]).buffer)]).toEqual(
      [...shorts.subarray(0, 4)].map((a) => a & 0xffff),
    ),
  'i8x16.splat': () => expect([...onVectors('i8x16.splat', [], 0x1fe)]).toEqual(Array(16).fill(0xfe)),
  'i32x4.splat': () => expect([...new Int32Array(onVectors('i32x4.splat', [], -9).buffer)]).toEqual([-9, -9, -9, -9]),
  'f32x4.splat': () => {
    const run = compiled(['f32'], null, (f) => {
      f.i32(0)
      f.get(0)
      f.op('f32x4.splat')
      f.memory('v128.store')
    })
    run(2.5)
    expect([...new Float32Array(memory.buffer, 0, 4)]).toEqual([2.5, 2.5, 2.5, 2.5])
  },
}

test.each(Object.keys(instructions) as Instruction[])('%s', (name) => {
  const other = others[name]
  if (other !== undefined) {
    other()
    return
  }
  const [type = '', op = ''] = name.split('.')
  const isInteger = type.startsWith('i')
  const scalar = (isInteger ? integer : float)[op] as Scalar
  const operands = operandsOf(isInteger ? integers : floats, op)
  if (type === 'i32' || type === 'f32' || type === 'f64') {
    const params = (operands[0] ?? []).map(() => type)
    const run = applying(name, params, comparisons.test(op) ? 'i32' : type)
    const rounded = type === 'f32' ? Math.fround : (a: number) => a
    expect(operands.map((each) => run(...each))).toEqual(operands.map((each) => rounded(scalar(...each))))
  } else if (op.startsWith('sh')) {
    for (const count of [1, 5, 33])
      expect([...new Int32Array(onVectors(name, [bytesOf(words)], count).buffer)]).toEqual(
        [...words].map((a) => scalar(a, count)),
      )
  } else {
    const isComparison = comparisons.test(op)
    checkLanes(name, [type as Lanes, isComparison ? 'i32x4' : (type as Lanes)], operands, (...each) =>
      isComparison ? -scalar(...each) | 0 : scalar(...each),
    )
  }
})
