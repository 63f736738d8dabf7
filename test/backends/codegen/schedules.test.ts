/** A phase gives the results of its kernel with any schedule and any division of its units. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { kernelOf } from '../../../src/backends/codegen/kernel/from-graph.ts'
import { interpretKernel } from '../../../src/backends/codegen/kernel/interpret.ts'
import type { Kernel, Phase } from '../../../src/backends/codegen/kernel/kernel.ts'
import { packOperands } from '../../../src/backends/codegen/kernel/pack.ts'
import { verifyKernelData } from '../../../src/backends/codegen/kernel/verify.ts'
import { defaultSchedule } from '../../../src/backends/codegen/loops/default-schedule.ts'
import { loopsOf } from '../../../src/backends/codegen/loops/from-kernel.ts'
import { mergeKernelAxes } from '../../../src/backends/codegen/loops/merge-axes.ts'
import { plainSchedule, type Schedule, scheduleFault } from '../../../src/backends/codegen/loops/schedule.ts'
import { parse } from '../../../src/ir/parse.ts'
import { elements } from '../../../src/ir/types.ts'
import { loops, type Machine, webAssembly } from './kernel-backend.ts'

/** A graph of one op on float32 operands. */
const graphOf = (op: string, operands: readonly string[], attrs: string, result: string): string => {
  const inputs = operands.map((shape, i) => `%x${i} = input() {name="x${i}"} : float32[${shape}]`)
  const names = operands.map((_, i) => `%x${i}`).join(', ')
  return `graph g {\n${inputs.join('\n')}\n%y = ${op}(${names}) {${attrs}} : ${result}\nreturn y = %y\n}`
}

/** Ops whose vectors along the last axis are assembled from four elements. */
const laneByLane = {
  'gathered columns': `graph g {
  %x = input() {name="x"} : float32[5,9]
  %i = input() {name="i"} : float32[10]
  %n = cast(%i) {to="int32"} : int32[10]
  %c = gather(%x, %n) {axis=1} : float32[5,10]
  %y = neg(%c) : float32[5,10]
  return y = %y
}`,
  'rows that are gathered by a map': `graph g {
  %x = input() {name="x"} : float32[3,9]
  %i = input() {name="i"} : float32[6]
  %n = cast(%i) {to="int32"} : int32[6]
  %m = abs(%n) : int32[6]
  %y = gather(%x, %m) {axis=0} : float32[6,9]
  return y = %y
}`,
  'one-hot labels': `graph g {
  %x = input() {name="x"} : float32[6]
  %n = cast(%x) {to="int32"} : int32[6]
  %m = abs(%n) : int32[6]
  %y = oneHot(%m) {depth=9} : float32[6,9]
  return y = %y
}`,
  'padding of the last axis': graphOf(
    'pad',
    ['3,7'],
    'high=[0,2], interior=[0,0], low=[0,3], value=2',
    'float32[3,12]',
  ),
  'concatenation along the last axis': graphOf('concatenate', ['3,6', '3,5'], 'axis=1', 'float32[3,11]'),
  'indices times numbers': `graph g {
  %x = input() {name="x"} : float32[3,9]
  %i = iota() {axis=1, dtype="int32", shape=[3,9]} : int32[3,9]
  %f = cast(%i) {to="float32"} : float32[3,9]
  %y = mul(%x, %f) : float32[3,9]
  return y = %y
}`,
}

const graphs: { readonly [name: string]: string } = {
  'a convolution of one tap': graphOf('conv2d', ['1,5,6,8', '1,1,8,16'], '', 'float32[1,5,6,16]'),
  'a convolution with stride': graphOf('conv2d', ['2,7,9,3', '3,3,3,9'], 'strides=[2,2]', 'float32[2,4,5,9]'),
  'a depthwise convolution': graphOf('depthwiseConv2d', ['1,7,13,8', '5,5,8,1'], '', 'float32[1,7,13,8]'),
  'a depthwise convolution with stride': graphOf(
    'depthwiseConv2d',
    ['2,7,12,8', '3,3,8,1'],
    'strides=[2,2]',
    'float32[2,4,6,8]',
  ),
  'a matrix product': graphOf('matmul', ['9,10', '10,11'], 'transposeA=false, transposeB=false', 'float32[9,11]'),
  'a product with a gate': `graph g {
%x = input() {name="x"} : float32[9,10]
%g = input() {name="g"} : float32[10]
%w = input() {name="w"} : float32[10,16]
%b = broadcast(%g) {axes=[1], shape=[9, 10]} : float32[9,10]
%z = mul(%x, %b) : float32[9,10]
%y = matmul(%z, %w) {transposeA=false, transposeB=false} : float32[9,16]
return y = %y
}`,
  'a maximum of windows': graphOf('maxPool2d', ['2,7,7,8'], 'window=[3,3], strides=[2,2]', 'float32[2,4,4,8]'),
  'a mean of windows': graphOf('avgPool2d', ['2,7,7,8'], 'window=[3,3], strides=[2,2]', 'float32[2,4,4,8]'),
  'a sum of rows': graphOf('reduceSum', ['5,7'], 'axes=[0], keepDims=false', 'float32[7]'),
  'a long sum of columns': graphOf('reduceSum', ['3,41'], 'axes=[1], keepDims=false', 'float32[3]'),
  'a mean of large windows at the edges': graphOf(
    'avgPool2d',
    ['1,9,9,4'],
    'window=[7,7], strides=[3,3], padding="same"',
    'float32[1,3,3,4]',
  ),
  'a number of the largest': graphOf('argMax', ['5,7'], 'axis=1', 'int32[5]'),
  'padding with gaps': graphOf('pad', ['2,3'], 'high=[0,1], interior=[0,1], low=[1,0], value=2', 'float32[3,6]'),
  'an input gradient': graphOf(
    'conv2dInputGradient',
    ['1,7,7,8', '3,3,8,8'],
    'inputShape=[1,7,7,8]',
    'float32[1,7,7,8]',
  ),
  'an input gradient with stride': graphOf(
    'conv2dInputGradient',
    ['1,4,4,8', '3,3,8,8'],
    'strides=[2,2], inputShape=[1,7,7,8]',
    'float32[1,7,7,8]',
  ),
  'a filter gradient': graphOf(
    'conv2dFilterGradient',
    ['2,7,7,8', '2,4,4,8'],
    'strides=[2,2], filterShape=[3,3,8,8]',
    'float32[3,3,8,8]',
  ),
  'a product of rows that are all padding': `graph g {
%x = input() {name="x"} : float32[3,8]
%w = input() {name="w"} : float32[8,16]
%p = pad(%x) {low=[30,0], high=[0,0], interior=[0,0], value=0} : float32[33,8]
%s = slice(%p) {starts=[0,0], limits=[3,8], strides=[1,1]} : float32[3,8]
%y = matmul(%s, %w) {transposeA=false, transposeB=false} : float32[3,16]
return y = %y
}`,
  'a convolution of columns that are all padding': `graph g {
%x = input() {name="x"} : float32[1,9,9,8]
%w = input() {name="w"} : float32[3,3,8,16]
%p = pad(%x) {low=[0,0,7,0], high=[0,0,0,0], interior=[0,0,0,0], value=0} : float32[1,9,16,8]
%s = slice(%p) {starts=[0,0,0,0], limits=[1,9,5,8], strides=[1,1,1,1]} : float32[1,9,5,8]
%y = conv2d(%s, %w) {padding="valid"} : float32[1,7,3,16]
return y = %y
}`,
  ...laneByLane,
}

/** Multiples of 1/8 below 2: products and their sums are exact in any order of addition. */
const operandsOf = ({ buffers }: Kernel): ReadonlyMap<number, Float32Array<ArrayBuffer>> =>
  new Map(
    buffers.flatMap(({ role, shape }, at) =>
      role === 'operand'
        ? [[at, Float32Array.from({ length: elements(shape) }, (_, i) => (((i * 37 + at * 11) % 31) - 15) / 8)]]
        : [],
    ),
  )

const drawnSchedule = ({ axes, parallel, accumulators, exprs }: Phase): fc.Arbitrary<Schedule> =>
  fc.record({
    vectorAxis: fc.oneof(fc.constant(parallel - 1), fc.option(fc.nat(parallel - 1))),
    vectors: fc.integer({ min: 1, max: 3 }),
    rowAxis: fc.option(fc.nat(parallel - 1), { freq: 4 }),
    rows: fc.integer({ min: 1, max: 6 }),
    order: fc.uniqueArray(fc.nat(parallel - 1)),
    unrolled: fc.subarray(Array.from({ length: axes.length - parallel }, (_, i) => parallel + i)),
    divided: fc.option(fc.nat(parallel - 1), { freq: 4 }),
    block: fc.constantFrom(0, 2, 8),
    staged: fc.subarray(accumulators.flatMap(({ factors }) => factors.filter((each) => exprs[each]?.kind === 'op'))),
  })

/** Cuts of the units, as fractions of the total. */
const drawnCuts = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 4 })

const divisionBy = (cuts: readonly number[]) => (units: number) => {
  const ends = [...new Set([0, ...cuts.map((cut) => Math.round(cut * units)), units])].sort((a, b) => a - b)
  return ends.slice(1).map((end, i): readonly [number, number] => [ends[i] as number, end])
}

const resultsOf = (kernel: Kernel, machine: Machine): readonly (readonly number[])[] => {
  const memory = machine(kernel, operandsOf(kernel), () => 0)
  return kernel.buffers.flatMap(({ role }, at) =>
    role === 'result' ? [Array.from(memory[at] as ArrayLike<number>)] : [],
  )
}

describe.each(Object.entries(graphs))('%s', (_, text) => {
  const { kernel } = kernelOf(parse(text))
  const packed = packOperands(kernel, () => true)
  const forms = [kernel, mergeKernelAxes(kernel), mergeKernelAxes(packed.kernel)]

  test.each([0, 1, 2])(
    'in form %i gives the same values with any legal schedule and division',
    (form) => {
      const target = forms[form] as Kernel
      verifyKernelData(target)
      const wanted = resultsOf(target, interpretKernel)
      const main = target.phases.at(-1) as Phase
      fc.assert(
        fc.property(drawnSchedule(main), drawnCuts, (schedule, cuts) => {
          const scheduleOf = (phase: Phase): Schedule => {
            const drawn = { ...schedule, vectors: schedule.vectorAxis === null ? 1 : schedule.vectors }
            if (scheduleFault(phase, drawn) === null) return drawn
            const divided = { ...plainSchedule, divided: schedule.divided }
            return scheduleFault(phase, divided) === null ? divided : plainSchedule
          }
          expect(resultsOf(target, loops(scheduleOf, divisionBy(cuts)))).toEqual(wanted)
          expect(resultsOf(target, webAssembly(scheduleOf, divisionBy(cuts)))).toEqual(wanted)
        }),
        { numRuns: 12 },
      )
      expect(resultsOf(target, webAssembly(defaultSchedule, divisionBy([0.3, 0.5])))).toEqual(wanted)
    },
    120_000,
  )
})

test.each(Object.entries(laneByLane))('vectors along the last axis are legal: %s', (_, text) => {
  for (const phase of kernelOf(parse(text)).kernel.phases)
    expect(scheduleFault(phase, { ...plainSchedule, vectorAxis: phase.parallel - 1 })).toBeNull()
})

test('the pixels of a 1x1 convolution are one axis', () => {
  const { kernel } = kernelOf(parse(graphs['a convolution of one tap'] as string))
  const [phase] = mergeKernelAxes(kernel).phases as [Phase]
  expect(phase).toMatchObject({ axes: [30, 16, 8], parallel: 2 })
})

test('a map over a tensor is one axis', () => {
  const { kernel } = kernelOf(parse(graphOf('neg', ['2,3,4,5'], '', 'float32[2,3,4,5]')))
  const [phase] = mergeKernelAxes(kernel).phases as [Phase]
  expect(phase).toMatchObject({ axes: [120], parallel: 1 })
})

test('a gate before a product is staged for each block of rows', () => {
  const { kernel } = kernelOf(parse(graphs['a product with a gate'] as string))
  const { kernel: packed } = packOperands(kernel, () => true)
  const [phase] = mergeKernelAxes(packed).phases as [Phase]
  const schedule = defaultSchedule(phase)
  const [gated] = schedule.staged as [number]
  expect(phase.exprs[gated]).toMatchObject({ kind: 'op', op: 'mul' })
  expect(loopsOf(phase, schedule).scratchSize).toBe(schedule.rows * 10)
  const columns = schedule.vectorAxis as number
  expect(scheduleFault(phase, { ...schedule, order: [columns, schedule.rowAxis as number] })).toBe(null)
  expect(scheduleFault(phase, { ...schedule, rowAxis: null, rows: 1 })).toBe(
    `the staged expression ${gated} has no rows`,
  )
  expect(scheduleFault(phase, { ...schedule, staged: [phase.stores[0]?.value ?? 0] })).toBe(
    `the staged expression ${phase.stores[0]?.value} is not a factor of one accumulator`,
  )
})
