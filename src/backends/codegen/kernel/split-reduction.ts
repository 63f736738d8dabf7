/**
 * Splits a reduction into two phases: the first computes partial results over blocks, the second combines them. So several threads can share a
 * reduction with few results. The blocks depend on shapes alone, so the bits of the result do not depend on the number of threads.
 */
import { stridesOf } from '../../../ir/ops/shape.ts'
import { type DType, elements, isFloat } from '../../../ir/types.ts'
import { withoutUnused } from './expr-table.ts'
import type { Accumulator, Coordinate, Expr, Kernel, Linear, Phase } from './kernel.ts'
import { axis, scaled, sum } from './linear.ts'
import { panelWidth, rightOf } from './pack.ts'
import { mapLinears, reachedFrom, substituted, termsOf, withArgs, withoutUnusedAxes, withStoreArgs } from './rewrite.ts'

export interface SplitLimits {
  /** A reduction with more results than this is not split: threads divide the results among themselves. */
  readonly resultsMax: number
  /** A reduction with fewer terms than this, over all results, is not split. */
  readonly termsMin: number
  /** The maximum number of blocks. */
  readonly blocksMax: number
}

const defaultLimits: SplitLimits = { resultsMax: 512, termsMin: 1 << 16, blocksMax: 32 }

/** Adjacent elements that are contiguous in memory are reduced separately: two float32 vectors. */
const lanes = 8

/** Splits the long reductions of a kernel. Returns the kernel itself if it has none. */
export const splitReductions = (kernel: Kernel, limits: SplitLimits = defaultLimits): Kernel => {
  const buffers = [...kernel.buffers]
  const phases = kernel.phases.flatMap((phase) => {
    const plan = planOf(phase, limits)
    if (plan === null) return [phase]
    const partials = phase.accumulators.map((accumulator) => {
      const dtype = partialType(accumulator)
      return buffers.push({ dtype, shape: plan.shape, role: 'temporary', data: null }) - 1
    })
    return [firstPhase(phase, plan, partials), secondPhase(phase, plan, partials)]
  })
  return buffers.length === kernel.buffers.length ? kernel : { buffers, phases }
}

/** The dtype of partial results. Sums of half types use a wider type. */
const partialType = ({ dtype, monoid }: Accumulator): DType =>
  isFloat(dtype) && (monoid === 'sum' || monoid === 'product') ? 'float32' : dtype

interface Plan {
  /** The reduced axes of all accumulators of the phase. */
  readonly axes: readonly number[]
  /** The number of blocks of each axis. The last block may extend past the end of the axis. */
  readonly blocks: readonly number[]
  /** 1 if adjacent elements are not reduced separately. */
  readonly lanes: number
  /** The shape of the partial results: blocks, parallel axes, lanes. */
  readonly shape: readonly number[]
}

const planOf = (phase: Phase, limits: SplitLimits): Plan | null => {
  const parallel = phase.axes.slice(0, phase.parallel)
  const [first] = phase.accumulators
  if (first === undefined || first.axes.length === 0) return null
  const { axes } = first
  const isAlike = phase.accumulators.every((other) => other.axes.join() === axes.join() && other.monoid !== 'argmax')
  const sizes = axes.map((at) => phase.axes[at] as number)
  const results = elements(parallel)
  // A tile of a contraction has eight columns, and reads its operands for all of them.
  const isContraction = phase.accumulators.some((accumulator) => rightOf(phase, accumulator) !== null)
  const resultsMax = isContraction ? limits.resultsMax / panelWidth : limits.resultsMax
  if (!isAlike || results > resultsMax || results * elements(sizes) < limits.termsMin) return null
  const width = hasLanes(phase, axes) ? lanes : 1
  const blocks = blocksOf([...sizes.slice(0, -1), (sizes.at(-1) as number) / width], limits.blocksMax)
  if (elements(blocks) * width === 1) return null
  const shape = [...blocks.filter((count) => count > 1), ...parallel, ...(width > 1 ? [width] : [])]
  return { axes, blocks, lanes: width, shape }
}

/**
 * The number of blocks of each axis: the outer axes are divided fully, the next axis by a divisor. If the first axis has no suitable divisor, its
 * last block is shorter.
 */
const blocksOf = (sizes: readonly number[], max: number): readonly number[] => {
  let left = max
  const blocks = sizes.map((size) => {
    const divisors = Array.from({ length: Math.min(left, size) }, (_, i) => i + 1).filter((count) => size % count === 0)
    const most = divisors.at(-1) ?? 1
    left = most === size ? Math.floor(left / most) : 1
    return most
  })
  const [size = 1] = sizes
  return elements(blocks) === 1 && size > max ? [max, ...blocks.slice(1)] : blocks
}

/** Is the last reduced axis contiguous in memory, and the last parallel axis not? */
const hasLanes = (phase: Phase, axes: readonly number[]): boolean => {
  const [last, inner] = [axes.at(-1) as number, phase.parallel - 1]
  if ((phase.axes[last] as number) % lanes !== 0) return false
  const loads = [...reachedFrom(phase, phase.accumulators.flatMap(termsOf))].flatMap((at) => {
    const expr = phase.exprs[at] as Expr // verified
    return expr.kind === 'load' ? [expr] : []
  })
  const strides = (along: number) => loads.map(({ coordinates }) => strideOn(coordinates, along))
  return !strides(inner).includes(1) && strides(last).every((stride) => stride === 0 || stride === 1)
}

const strideOn = (coordinates: readonly Coordinate[], along: number): number => {
  const strides = stridesOf(coordinates.map(({ size }) => size))
  return coordinates.reduce((total, { at }, i) => {
    const term = at.kind === 'linear' ? at.terms.find((each) => each.axis === along) : undefined
    const divisor = at.kind === 'linear' ? at.divisor : 1
    return total + ((term?.stride ?? 0) * (strides[i] as number)) / divisor
  }, 0)
}

/** The axes are those of the partial results, then the remaining reduced axes. */
const firstPhase = (phase: Phase, { axes, blocks, lanes: width, shape }: Plan, partials: readonly number[]): Phase => {
  const blockAxes = blocks.filter((count) => count > 1).length
  const sizes = [...shape]
  const numbers = new Map<number, Linear>()
  for (let at = 0; at < phase.parallel; at++) numbers.set(at, axis(blockAxes + at))
  const reduced: number[] = []
  const open: { readonly at: Linear; readonly size: number }[] = []
  let block = 0
  for (const [i, at] of axes.entries()) {
    const [size, count] = [phase.axes[at] as number, blocks[i] as number]
    const inLanes = i === axes.length - 1 ? width : 1
    const inner = Math.ceil(size / inLanes / count)
    const parts: Linear[] = inLanes > 1 ? [axis(shape.length - 1)] : []
    if (inner > 1) {
      reduced.push(sizes.push(inner) - 1)
      parts.push(scaled(axis(sizes.length - 1), inLanes))
    }
    if (count > 1) parts.push(scaled(axis(block++), inner * inLanes))
    numbers.set(at, sum(parts))
    if (inner * count * inLanes > size) open.push({ at: sum(parts), size })
  }
  const exprs = phase.exprs.map((expr) => mapLinears(expr, (x) => substituted(x, numbers)))
  const accumulators = phase.accumulators.map((accumulator) => ({
    ...accumulator,
    axes: reduced,
    guard: guarded(accumulator.guard, open, exprs),
    dtype: partialType(accumulator),
  }))
  const stores = partials.map((buffer, accumulator) => {
    exprs.push({ kind: 'accumulated', accumulator, dtype: (accumulators[accumulator] as Accumulator).dtype })
    return { buffer, coordinates: shape.map((size, at) => ({ at: axis(at), size })), value: exprs.length - 1 }
  })
  return withoutUnused({ axes: sizes, parallel: shape.length, exprs, accumulators, stores })
}

/** The guard, and the condition that the block has not passed the end of the axis. Appends to `exprs`. */
const guarded = (guard: number | null, open: readonly Coordinate[], exprs: Expr[]): number | null => {
  if (open.length === 0) return guard
  const inside = exprs.push({ kind: 'inside', coordinates: open, dtype: 'bool' }) - 1
  if (guard === null) return inside
  return exprs.push({ kind: 'op', op: 'and', attrs: {}, args: [guard, inside], dtype: 'bool' }) - 1
}

/** The phase that accumulates over the partial results. */
const secondPhase = (phase: Phase, { shape, blocks, lanes: width }: Plan, partials: readonly number[]): Phase => {
  const sizes = [...blocks.filter((count) => count > 1), ...(width > 1 ? [width] : [])]
  const blockAxes = blocks.filter((count) => count > 1).length
  const first = phase.axes.length
  const reduced = sizes.map((_, i) => first + i)
  const point = [
    ...reduced.slice(0, blockAxes),
    ...Array.from({ length: phase.parallel }, (_, at) => at),
    ...reduced.slice(blockAxes),
  ]
  const coordinates = point.map((at, i) => ({ at: axis(at), size: shape[i] as number }))
  const loads = partials.map((buffer, at): Expr => {
    const dtype = partialType(phase.accumulators[at] as Accumulator)
    return { kind: 'load', buffer, coordinates, fill: 0, dtype }
  })
  const shift = (at: number): number => at + loads.length
  return withoutUnusedAxes(
    withoutUnused({
      axes: [...phase.axes, ...sizes],
      parallel: phase.parallel,
      exprs: [...loads, ...phase.exprs.map((expr) => withArgs(expr, shift))],
      accumulators: phase.accumulators.map((each, at) => ({ ...each, axes: reduced, factors: [at], guard: null })),
      stores: phase.stores.map((store) => withStoreArgs(store, shift)),
    }),
  )
}
