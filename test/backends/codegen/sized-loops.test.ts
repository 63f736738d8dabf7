/** Loops whose sizes are parameters: phases with other sizes share them, and compute what their kernels say. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { kernelOf } from '../../../src/backends/codegen/kernel/from-graph.ts'
import { interpretKernel } from '../../../src/backends/codegen/kernel/interpret.ts'
import type { Kernel, Phase } from '../../../src/backends/codegen/kernel/kernel.ts'
import { packOperands } from '../../../src/backends/codegen/kernel/pack.ts'
import { mergeKernelAxes } from '../../../src/backends/codegen/loops/merge-axes.ts'
import { type SizedPhase, sizedPhase } from '../../../src/backends/codegen/loops/sized-loops.ts'
import type { LoweredKernel } from '../../../src/backends/wasm/module.ts'
import { parse } from '../../../src/ir/parse.ts'
import { elements } from '../../../src/ir/types.ts'
import { emitted, interpretedLoops, type Machine } from './kernel-backend.ts'

const kernelOfText = (text: string): Kernel => mergeKernelAxes(kernelOf(parse(text)).kernel)

/** Kernels like those that fold and pack weights, for any sizes. */
const families: { readonly [name: string]: (sizes: readonly [number, number, number]) => Kernel } = {
  'weights [a,b,c] times a factor for each channel c': ([a, b, c]) =>
    kernelOfText(`graph g {
  %w = input() {name="w"} : float32[${a},${b},${c}]
  %s = input() {name="s"} : float32[${c}]
  %t = broadcast(%s) {axes=[2], shape=[${a},${b},${c}]} : float32[${a},${b},${c}]
  %y = mul(%w, %t) : float32[${a},${b},${c}]
  return y = %y
}`),
  'weights [a,b,c] times a factor for each row b': ([a, b, c]) =>
    kernelOfText(`graph g {
  %w = input() {name="w"} : float32[${a},${b},${c}]
  %s = input() {name="s"} : float32[${b}]
  %t = broadcast(%s) {axes=[1], shape=[${a},${b},${c}]} : float32[${a},${b},${c}]
  %y = mul(%w, %t) : float32[${a},${b},${c}]
  return y = %y
}`),
  'the shift of a normalisation [c]': ([, , c]) =>
    kernelOfText(`graph g {
  %m = input() {name="m"} : float32[${c}]
  %s = input() {name="s"} : float32[${c}]
  %p = mul(%m, %s) : float32[${c}]
  %n = neg(%p) : float32[${c}]
  return y = %n, z = %p
}`),
  'a transposed tensor': ([a, b, c]) =>
    kernelOfText(`graph g {
  %x = input() {name="x"} : float32[${a},${b},${c}]
  %y = transpose(%x) {permutation=[2,0,1]} : float32[${c},${a},${b}]
  return y = %y
}`),
  'every second column, in reverse': ([a, b, c]) =>
    kernelOfText(`graph g {
  %x = input() {name="x"} : int32[${a},${b},${2 * c}]
  %s = slice(%x) {limits=[${a},${b},${2 * c}], starts=[0,0,1], strides=[1,1,2]} : int32[${a},${b},${c}]
  %r = reverse(%s) {axes=[2]} : int32[${a},${b},${c}]
  %n = neg(%r) : int32[${a},${b},${c}]
  return y = %n
}`),
  'packed filters': ([a, b, c]) => {
    const text = `graph g {
  %x = input() {name="x"} : float32[1,${a + 1},${b + 1},8]
  %w = input() {name="w"} : float32[1,1,8,${16 * c}]
  %y = conv2d(%x, %w) : float32[1,${a + 1},${b + 1},${16 * c}]
  return y = %y
}`
    const { packed } = packOperands(kernelOf(parse(text)).kernel, () => true)
    return mergeKernelAxes((packed[0] as (typeof packed)[number]).pack)
  },
}

const sizedPhases = ({ phases }: Kernel): readonly SizedPhase[] =>
  phases.map((phase) => {
    const sized = sizedPhase(phase)
    if (sized === null) throw new Error('this phase must have loops of its own')
    return sized
  })

/** The kernel with the loops of another one. */
const withLoopsOf =
  (other: readonly SizedPhase[]) =>
  (kernel: Kernel): LoweredKernel => ({
    buffers: kernel.buffers,
    phases: sizedPhases(kernel).map(({ units, parameters }, i) => ({
      units,
      parameters,
      loops: (other[i] as SizedPhase).loops(),
    })),
  })

const operandsOf = ({ buffers }: Kernel) =>
  new Map(
    buffers.flatMap(({ role, shape, dtype }, at) => {
      if (role !== 'operand') return []
      const numbers = Array.from({ length: elements(shape) }, (_, i) => ((i * 37 + at * 11) % 31) - 15)
      return [[at, dtype === 'int32' ? Int32Array.from(numbers) : Float32Array.from(numbers)] as const]
    }),
  )

const resultsOf = (kernel: Kernel, machine: Machine): readonly (readonly number[])[] => {
  const memory = machine(kernel, operandsOf(kernel), () => 0)
  return kernel.buffers.flatMap(({ role }, at) =>
    role === 'result' ? [Array.from(memory[at] as ArrayLike<number>)] : [],
  )
}

const divisionAt = (cut: number) => (units: number) => {
  const middle = Math.round(cut * units)
  return [[0, middle] as const, [middle, units] as const].filter(([first, end]) => first < end)
}

/** Sizes above 1: an axis of size 1 is removed, so its phase has fewer loops. */
const drawnSizes = fc.tuple(
  fc.integer({ min: 2, max: 5 }),
  fc.integer({ min: 2, max: 9 }),
  fc.integer({ min: 2, max: 21 }),
)

describe.each(Object.entries(families))('%s', (_, family) => {
  test('kernels of all sizes have the same loops, and compute what the kernels say', () => {
    fc.assert(
      fc.property(drawnSizes, drawnSizes, fc.double({ min: 0, max: 1, noNaN: true }), (sizes, others, cut) => {
        const [kernel, other] = [family(sizes), family(others)]
        const [own, shared] = [sizedPhases(kernel), sizedPhases(other)]
        expect(shared.map(({ key }) => key)).toEqual(own.map(({ key }) => key))
        const wanted = resultsOf(kernel, interpretKernel)
        const lower = withLoopsOf(shared)
        expect(resultsOf(kernel, interpretedLoops(lower, divisionAt(cut)))).toEqual(wanted)
        expect(resultsOf(kernel, emitted(lower, divisionAt(cut)))).toEqual(wanted)
      }),
      { numRuns: 40 },
    )
  })
})

describe('large maps', () => {
  const large = (c: number): Kernel =>
    (families['the shift of a normalisation [c]'] as (typeof families)[string])([1, 1, c])
  test.each([
    [1000, 1],
    [16383, 1],
    [16384, 8],
    [40001, 20],
  ])('a map of %i elements has %i units', (c, units) => {
    const kernel = large(c)
    const sized = sizedPhases(kernel)
    expect(sized.map((phase) => phase.units)).toEqual([units])
    const wanted = resultsOf(kernel, interpretKernel)
    for (const cut of [0, 0.3, 1])
      expect(resultsOf(kernel, emitted(withLoopsOf(sized), divisionAt(cut)))).toEqual(wanted)
  })

  test('rows are units', () => {
    const kernel = (families['a transposed tensor'] as (typeof families)[string])([30, 40, 20])
    expect(sizedPhases(kernel).map(({ units }) => units)).toEqual([10])
  })
})

describe('a phase must have loops of its own', () => {
  const phaseOf = (body: string): Phase =>
    kernelOfText(`graph g { %x = input() {name="x"} : float32[5,7] ${body} return y = %y }`).phases.at(-1) as Phase // a kernel has a phase
  test.each([
    ['a sum', '%y = reduceSum(%x) {axes=[1], keepDims=false} : float32[5]'],
    ['padding', '%y = pad(%x) {high=[0,2], interior=[0,0], low=[0,3], value=2} : float32[5,12]'],
    ['an index', '%y = iota() {axis=1, dtype="int32", shape=[5,7]} : int32[5,7]'],
    ['random numbers', '%y = randomUniform() {shape=[5,7], stream="a"} : float32[5,7]'],
    [
      'a gather',
      '%i = cast(%x) {to="int32"} : int32[5,7] %j = reshape(%i) {shape=[35]} : int32[35] %y = gather(%x, %j) {axis=0} : float32[35,7]',
    ],
  ])('%s', (_, body) => expect(sizedPhase(phaseOf(body))).toBeNull())

  test('phases with other constants, ops, dtypes of results or places of broadcasts have other loops', () => {
    const bodies = [
      '%y = neg(%x) : float32[5,7]',
      '%y = abs(%x) : float32[5,7]',
      '%c = constant() {value=2} : float32[5,7] %y = mul(%x, %c) : float32[5,7]',
      '%c = constant() {value=3} : float32[5,7] %y = mul(%x, %c) : float32[5,7]',
      '%y = cast(%x) {to="int32"} : int32[5,7]',
      '%y = cast(%x) {to="float16"} : float16[5,7]',
      '%y = transpose(%x) {permutation=[1,0]} : float32[7,5]',
    ]
    const keys = bodies.map((body) => sizedPhase(phaseOf(body))?.key)
    expect(keys).not.toContain(undefined)
    expect(new Set(keys).size).toBe(bodies.length)
  })
})
