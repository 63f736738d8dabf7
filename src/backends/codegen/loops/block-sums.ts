/**
 * Compensated block sums: a long sum in float32 is the sum of block sums, and a second register accumulates the rounding errors of adding the blocks
 * (Kahan-Babuska; docs/wasm.md). The error is that of one block, for any length. The order depends only on shapes.
 */
import { isFloat } from '../../../ir/types.ts'
import type { Accumulator, Phase } from '../kernel/kernel.ts'
import { type AxisBindings, int, position } from './bindings.ts'
import type { LoopBuilder } from './builder.ts'
import type { Lanes, LoopExpr } from './loops.ts'

/** Terms per block: few, because the sum within a block is not compensated. */
const blockTerms = 8

/** Sums with more terms are block sums. */
const plainTermsMax = 16

/** The value of Schedule.block. Contractions are not block sums: their tiles need the registers. */
export const blockOf = ({ axes }: Phase, accumulators: readonly Accumulator[]): number => {
  const isLong = (accumulator: Accumulator): boolean =>
    accumulator.axes.reduce((product, axis) => product * (axes[axis] as number), 1) > plainTermsMax
  return accumulators.some((each) => isBlockSum(each) && isLong(each)) ? blockTerms : 0
}

export const isBlockSum = ({ monoid, factors, dtype }: Accumulator): boolean =>
  monoid === 'sum' && factors.length === 1 && isFloat(dtype)

/** The registers of a block sum at one point. */
export interface BlockSum {
  readonly total: number
  /** The accumulated rounding errors of the additions to the total. */
  readonly lost: number
  /** The sum of the current block. */
  readonly part: number
}

const zero: LoopExpr = { kind: 'constant', value: 0, dtype: 'float32' }
const zeroOf = (lanes: Lanes): LoopExpr => (lanes === 1 ? zero : { kind: 'splat', of: zero })

export const makeBlockSum = (builder: LoopBuilder, lanes: Lanes): BlockSum => {
  const register = (): number => builder.variable(zeroOf(lanes), { dtype: 'float32', lanes })
  return { total: register(), lost: register(), part: register() }
}

export const beginBlock = (builder: LoopBuilder, { part }: BlockSum, lanes: Lanes): void =>
  builder.add({ kind: 'set', register: part, value: zeroOf(lanes) })

/** Adds the block to the total. The rounding error is `part - (sum - total)`, exactly so if |total| >= |part| (Dekker's Fast2Sum). */
export const endBlock = (builder: LoopBuilder, { total, lost, part }: BlockSum, lanes: Lanes): void => {
  const op = opOn(lanes)
  const sum = builder.variable(op('add', register(total), register(part)), { dtype: 'float32', lanes })
  const rounded = op('sub', register(part), op('sub', register(sum), register(total)))
  builder.add({ kind: 'set', register: lost, value: op('add', register(lost), rounded) })
  builder.add({ kind: 'set', register: total, value: register(sum) })
}

/** The compensated sum. If the total is not finite, `lost` is NaN, and the result is the total. */
export const endOfSum = ({ total, lost }: BlockSum, lanes: Lanes): LoopExpr => {
  const op = opOn(lanes)
  const isNumber: LoopExpr = {
    kind: 'op',
    op: 'compare',
    attrs: { direction: 'eq' },
    args: [register(lost), register(lost)],
    dtype: 'bool',
    lanes,
  }
  return {
    kind: 'op',
    op: 'select',
    attrs: {},
    args: [isNumber, op('add', register(total), register(lost)), register(total)],
    dtype: 'float32',
    lanes,
  }
}

const register = (number: number): LoopExpr => ({ kind: 'register', register: number })

const opOn =
  (lanes: Lanes) =>
  (op: 'add' | 'sub', a: LoopExpr, b: LoopExpr): LoopExpr => ({
    kind: 'op',
    op,
    attrs: {},
    args: [a, b],
    dtype: 'float32',
    lanes,
  })

/** The range [first, end) of a loop over an axis of this size. The bounds depend on `loops`. */
interface Counters {
  readonly first: LoopExpr
  readonly end: LoopExpr
  readonly size: number
  readonly loops: readonly number[]
  /** Terms per block. */
  readonly terms: number
}

/** Adds the loop split into blocks, or as one block if there would be at most two. `block` surrounds the terms of each block. */
export const inBlocks = (
  { first, end, size, loops, terms }: Counters,
  {
    builder,
    bindings,
    block,
  }: {
    readonly builder: LoopBuilder
    readonly bindings: AxisBindings
    readonly block: (add: () => void) => void
  },
  add: (from: LoopExpr, to: LoopExpr) => void,
): void => {
  if (size <= 2 * terms) {
    block(() => add(first, end))
    return
  }
  const length = position('add', end, position('mul', first, int(-1)))
  const count = position('div', position('max', position('add', length, int(terms - 1)), int(0)), int(terms))
  const loop = bindings.loop(Math.ceil(size / terms))
  builder.loop(loop, int(0), builder.hoisted(count, loops), () => {
    const start: LoopExpr = { kind: 'affine', offset: 0, terms: [{ loop, stride: terms }] }
    const from = builder.hoisted(position('add', first, start), [...loops, loop])
    const to = builder.hoisted(position('min', position('add', from, int(terms)), end), [...loops, loop])
    block(() => add(from, to))
  })
}
