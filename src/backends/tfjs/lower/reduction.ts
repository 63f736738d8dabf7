/**
 * Reductions, by loops over memory that sum in float64. tfjs's kernels transpose the operand unless the last axes are reduced, and sum sequentially in
 * float32. That is slower for NHWC means and batch statistics of convolutional networks, and inaccurate for long sums.
 */
import type { ReductionOps } from '../../../ir/signatures.ts'
import { elements, type Node, type Type } from '../../../ir/types.ts'
import type { HostArray } from '../../backend.ts'
import type { LowerFunction, Lowering } from '../lowering.ts'
import type { Operand } from '../plan-types.ts'
import type { Planner } from '../planner.ts'
import type { View } from '../view.ts'
import { made } from './shared.ts'
import { type Group, planSum } from './sums.ts'

/** The steps, last group of axes first. Each works on the result of the previous one. */
export const groupsOf = (shape: readonly number[], axes: readonly number[]): readonly Group[] => {
  const groups: Group[] = []
  let current = [...shape]
  for (let end = shape.length - 1; end >= 0; end--) {
    if (!axes.includes(end)) continue
    let start = end
    while (axes.includes(start - 1)) start--
    groups.push({
      outer: elements(current.slice(0, start)),
      reduced: elements(current.slice(start, end + 1)),
      inner: elements(current.slice(end + 1)),
    })
    current = [...current.slice(0, start), ...current.slice(end + 1)]
    end = start
  }
  return groups
}

type Numbers = HostArray | Float64Array

const sumGroup = (x: Numbers, { outer, reduced, inner }: Group): Float64Array => {
  const sums = new Float64Array(outer * inner)
  for (let o = 0, at = 0; o < outer; o++) {
    const to = o * inner
    for (let r = 0; r < reduced; r++)
      for (let i = to; i < to + inner; i++, at++) sums[i] = (sums[i] as number) + (x[at] as number)
  }
  return sums
}

const foldGroup = (
  x: Numbers,
  { outer, reduced, inner }: Group,
  step: (best: number, x: number) => number,
): Float64Array => {
  const best = new Float64Array(outer * inner)
  for (let o = 0, at = 0; o < outer; o++) {
    const to = o * inner
    for (let r = 0; r < reduced; r++) {
      for (let i = to; i < to + inner; i++, at++)
        best[i] = r === 0 ? (x[at] as number) : step(best[i] as number, x[at] as number)
    }
  }
  return best
}

const reduceHost = (
  x: Operand,
  axes: readonly number[],
  type: Type,
  planner: Planner,
  name: string,
  reduceGroup: (x: Numbers, group: Group) => Float64Array,
): View => {
  const groups = groupsOf(x.shape, axes)
  const slot = planner.host1(name, [x], type, ([source], [target]) => {
    let current: Numbers = source as HostArray
    for (const group of groups) current = reduceGroup(current, group)
    target?.set(current)
  })
  return made(slot, type)
}

const lowerReduceSum: LowerFunction<'reduceSum'> = ({ node, attrs: { axes }, inputs: [x], types: [type], planner }) => {
  const operand = planner.dense(x)
  if (planner.device.host === null) return [kernelReduction('Sum', operand, axes, 'axis', type, planner)]
  if (x.type.dtype === 'int32') return [reduceHost(operand, axes, type, planner, node.op, wrapped(sumGroup))]
  // The first step reads all elements; the others read its result.
  const [first, ...rest] = groupsOf(operand.shape, axes)
  if (first === undefined) return [made(operand.slot, type)]
  const { reads, finish } = planSum(operand, first, planner)
  const slot = planner.host1(node.op, reads, type, (arrays, [target]) => {
    target?.set(rest.reduce<Float64Array>(sumGroup, finish(arrays)))
  })
  return [made(slot, type)]
}

/** Between groups of axes the sum wraps to int32, so that float64 stays exact. */
const wrapped =
  (reduceGroup: (x: Numbers, group: Group) => Float64Array) =>
  (x: Numbers, group: Group): Float64Array =>
    Float64Array.from(Int32Array.from(reduceGroup(x, group)))

const kernelReduction = (
  kernel: string,
  x: Operand,
  axes: readonly number[],
  axisName: string,
  type: Type,
  planner: Planner,
): View => made(planner.kernel(kernel, { x }, { [axisName]: [...axes], keepDims: false }, type), type)

const extremum =
  (kernel: string, axisName: string, step: (best: number, x: number) => number) =>
  ({
    node,
    attrs: { axes },
    inputs: [x],
    types: [type],
    planner,
  }: {
    node: Node
    attrs: { readonly axes: readonly number[] }
    inputs: readonly [View]
    types: readonly [Type]
    planner: Planner
  }): readonly [View] => {
    const operand = planner.dense(x)
    return [
      planner.device.host === null
        ? kernelReduction(kernel, operand, axes, axisName, type, planner)
        : reduceHost(operand, axes, type, planner, node.op, (values, group) => foldGroup(values, group, step)),
    ]
  }

export const reductionLowering: { readonly [K in keyof ReductionOps]: Lowering<K> } = {
  reduceSum: lowerReduceSum,
  reduceMax: extremum('Max', 'reductionIndices', Math.max),
  reduceMin: extremum('Min', 'axis', Math.min),
  reduceAll: extremum('All', 'axis', Math.min),
  reduceAny: extremum('Any', 'axis', Math.max),
  // Products wrap to int32 at every step. argMax and topK order NaN in a way that tfjs does not. All are rare or small.
  reduceProd: 'host',
  argMax: 'host',
  topK: 'host',
}
