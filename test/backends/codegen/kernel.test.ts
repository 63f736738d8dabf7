/** Code generation level by level: interpreted kernels, interpreted loops and generated WebAssembly give the results of the graph. */
import { describe, expect, test } from 'vitest'
import { kernelOf } from '../../../src/backends/codegen/kernel/from-graph.ts'
import { defaultSchedule } from '../../../src/backends/codegen/loops/default-schedule.ts'
import { mergeKernelAxes } from '../../../src/backends/codegen/loops/merge-axes.ts'
import { plainSchedule, type Schedule, scheduleFault } from '../../../src/backends/codegen/loops/schedule.ts'
import type { Kernel, Phase } from '../../../src/backends/codegen/kernel/kernel.ts'
import { printKernel } from '../../../src/backends/codegen/kernel/print.ts'
import { verifyKernelData } from '../../../src/backends/codegen/kernel/verify.ts'
import { parse } from '../../../src/ir/parse.ts'
import { genericTarget } from '../../../src/ir/target.ts'
import { testOps } from '../../support/op-conformance.ts'
import { expectRandomGraphs } from '../../support/random-graphs.ts'
import { applied } from '../../support/one-graph.ts'
import {
  emitted,
  interpretedLoops,
  kernelBackend,
  kernels,
  loops,
  type Machine,
  sized,
  webAssembly,
} from './kernel-backend.ts'

/** Merges the axes of the kernel first. */
const merged =
  (machine: Machine): Machine =>
  (kernel, ...rest) =>
    machine(mergeKernelAxes(kernel), ...rest)

describe.each([
  ['interpreted kernels', kernels, genericTarget.halfTypes],
  ['interpreted loops, element by element', loops(() => plainSchedule), genericTarget.halfTypes],
  ['interpreted loops in tiles of vectors', loops(defaultSchedule), genericTarget.halfTypes],
  ['generated WebAssembly, element by element', webAssembly(() => plainSchedule), genericTarget.halfTypes],
  ['generated WebAssembly in tiles of vectors', merged(webAssembly()), genericTarget.halfTypes],
  ['interpreted loops with sizes as parameters', merged(interpretedLoops(sized)), genericTarget.halfTypes],
  ['generated WebAssembly with sizes as parameters', merged(emitted(sized)), genericTarget.halfTypes],
] as const)('%s', (_, machine, halfTypes) => {
  testOps('conform to the reference', () => kernelBackend(machine, halfTypes), { runs: 3, refused: [] })

  test('compute a random graph as one kernel, including its updates', async () => {
    const backend = kernelBackend(machine, halfTypes)
    await expectRandomGraphs(backend, 60)
  }, 300_000)
})

test('an illegal schedule is rejected with the reason', () => {
  const { kernel } = kernelOf(
    parse(`graph g {
  %0 = input() {name="x"} : float32[4,8]
  %1 = transpose(%0) {permutation=[1, 0]} : float32[8,4]
  return y = %1
}`),
  )
  const [phase] = kernel.phases as [Phase]
  const along = (vectorAxis: number): Schedule => ({ ...plainSchedule, vectorAxis })
  expect(scheduleFault(phase, along(1))).toBe(
    'expression 0: adjacent elements of a vector are not contiguous in the loaded buffer',
  )
  expect(scheduleFault(phase, along(0))).toBe('adjacent elements of a vector are not contiguous in the stored buffer')
  expect(scheduleFault(phase, along(2))).toBe('axis 2 is not parallel')
  const fault = (change: Partial<Schedule>): string | null => scheduleFault(phase, { ...plainSchedule, ...change })
  expect(fault({ order: [1, 1] })).toBe('the order 1, 1 does not name distinct parallel axes')
  expect(fault({ divided: 2 })).toBe('the divided axis 2 is not parallel')
  expect(fault({ unrolled: [1] })).toBe('the unrolled axis 1 is not reduced')
  expect(defaultSchedule(phase)).toEqual({ ...plainSchedule, divided: 0 })
})

test('a convolution with bias and activation is one phase; a softmax is three', () => {
  const convolution = parse(`graph g {
  %0 = input() {name="x"} : float32[1,4,4,2]
  %1 = variable() {name="kernel"} : float32[3,3,2,3]
  %2 = variable() {name="bias"} : float32[3]
  %3 = conv2d(%0, %1) {strides=[2, 2]} : float32[1,2,2,3]
  %4 = broadcast(%2) {axes=[3], shape=[1, 2, 2, 3]} : float32[1,2,2,3]
  %5 = add(%3, %4) : float32[1,2,2,3]
  %6 = relu(%5) : float32[1,2,2,3]
  return y = %6
}`)
  expect(printKernel(kernelOf(convolution).kernel)).toBe(`b0 operand float32[1,4,4,2]
b1 operand float32[3,3,2,3]
b2 operand float32[3]
b3 result float32[1,2,2,3]
phase [2, 2, 3 | 3, 3, 2]
  %0 = b0[0, 2*a0 + a3 in 4, 2*a1 + a4 in 4, a5]
  %1 = b1[a3, a4, a5, a2]
  %2 = inside(2*a0 + a3 in 4, 2*a1 + a4 in 4)
  %3 = sum over a3, a4, a5 of %0 * %1 where %2
  %4 = b2[a2]
  %5 = add(%3, %4)
  %6 = relu(%5)
  b3[0, a0, a1, a2] = %6`)
  const softmax = parse(`graph g {
  %0 = input() {name="x"} : float32[2,5]
  %1 = softmax(%0) {axis=1} : float32[2,5]
  return y = %1
}`)
  expect(kernelOf(applied(kernelBackend().legalize, softmax, kernelBackend())).kernel.phases).toHaveLength(3)
})

test('padding, slices, reversal and transposition become coordinates: no element is moved twice', () => {
  const g = parse(`graph g {
  %0 = input() {name="x"} : float32[2,3]
  %1 = pad(%0) {high=[0, 1], interior=[0, 1], low=[1, 0]} : float32[3,6]
  %2 = transpose(%1) {permutation=[1, 0]} : float32[6,3]
  %3 = slice(%2) {limits=[6, 3], starts=[1, 0], strides=[2, 1]} : float32[3,3]
  %4 = reverse(%3) {axes=[1]} : float32[3,3]
  return y = %4
}`)
  const { kernel } = kernelOf(g)
  expect(kernel.buffers.map(({ role }) => role)).toEqual(['operand', 'result'])
  expect(printKernel(kernel)).toBe(`b0 operand float32[2,3]
b1 result float32[3,3]
phase [3, 3]
  %0 = inside(-1*a1 + 1 in 2, (2*a0 + 1)/2 in 3)
  %1 = b0[-1*a1 + 1 in 2, (2*a0 + 1)/2 in 3]
  %2 = float32 0
  %3 = select(%0, %1, %2)
  b1[a0, a1] = %3`)
})

test('an invalid kernel is rejected', () => {
  const { kernel } = kernelOf(
    parse('graph g { %x = input() {name="x"} : float32[2] %y = neg(%x) : float32[2] return y = %y }'),
  )
  const [phase] = kernel.phases as [Phase]
  const broken = (change: Partial<Phase>): Kernel => ({ ...kernel, phases: [{ ...phase, ...change }] })
  expect(() => verifyKernelData(kernel)).not.toThrow()
  expect(() => verifyKernelData(broken({ stores: [] }))).toThrow('no phase writes the result 1')
  expect(() => verifyKernelData(broken({ axes: [3] }))).toThrow('a coordinate is out of bounds')
  expect(() => verifyKernelData(broken({ exprs: [...phase.exprs].reverse() }))).toThrow('it uses a later expression')
  expect(() => verifyKernelData({ ...kernel, phases: [phase, broken({ parallel: 0 }).phases[0] as Phase] })).toThrow(
    'the value depends on a reduced axis',
  )
})

test('exp on vectors has an error of at most 2 ulp, from the smallest normal number to the largest number', () => {
  const size = 1 << 14
  const { kernel } = kernelOf(
    parse(`graph g { %x = input() {name="x"} : float32[${size}] %y = exp(%x) : float32[${size}] return y = %y }`),
  )
  let worst = 0
  for (let part = 0; part < 16; part++) {
    const x = new Float32Array(size).map((_, i) => -87.3 + (176 * (part * size + i)) / (16 * size))
    const y = webAssembly()(kernel, new Map([[0, x]]), () => 0)[1] as ArrayLike<number>
    x.forEach((value, i) => {
      const want = Math.exp(value)
      worst = Math.max(worst, Math.abs((y[i] as number) - want) / 2 ** (Math.floor(Math.log2(want)) - 23))
    })
  }
  expect(worst).toBeLessThan(2)
})
