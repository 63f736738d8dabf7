/**
 * Chooses a schedule from the shapes of a phase. Among the tiles whose sums fit into 16 vector registers, it takes the tile with the fewest loads per
 * multiplication. Larger tiles spill registers and are slower: measured on two versions of V8.
 */
import type { Accumulator, Expr, Phase } from '../kernel/kernel.ts'
import { reachedFrom, termsOf } from '../kernel/rewrite.ts'
import { blockOf } from './block-sums.ts'
import { movesWith } from './guards.ts'
import { unitsOf } from './pieces.ts'
import { dependents, orderOf, plainSchedule, type Schedule, scheduleFault } from './schedule.ts'
import { vectorFault } from './vectors.ts'

/** The number of vector registers of the machine. */
const registersMax = 16

/** With this many units, all threads are busy nearly until the end. */
const unitsEnough = 16

export const defaultSchedule = (phase: Phase): Schedule => {
  const tiled = tileOf(phase)
  const plain = { ...plainSchedule, block: blockOf(phase, phase.accumulators) }
  const legal = tiled !== null && scheduleFault(phase, tiled) === null ? tiled : plain
  return { ...legal, divided: dividedAxis(phase, legal) }
}

/** The outermost axis with enough units, otherwise the axis with the most units. Null if no axis has two units. */
const dividedAxis = (phase: Phase, schedule: Schedule): number | null => {
  const axes = orderOf(phase, schedule).map((axis) => ({ axis, units: unitsOf(phase, { ...schedule, divided: axis }) }))
  const enough = axes.find(({ units }) => units >= unitsEnough)
  const [most] = [...axes].sort((a, b) => b.units - a.units)
  const best = enough ?? most
  return best === undefined || best.units < 2 ? null : best.axis
}

/** The innermost axis that can be vectorized. */
const vectorAxisOf = (phase: Phase): number | null => {
  for (let axis = phase.parallel - 1; axis >= 0; axis--)
    if ((phase.axes[axis] as number) >= 4 && vectorFault(phase, { axis, depends: dependents(phase, axis) }) === null)
      return axis
  return null
}

const tileOf = (phase: Phase): Schedule | null => {
  const vectorAxis = vectorAxisOf(phase)
  if (vectorAxis === null) return null
  const vectorsMax = Math.floor((phase.axes[vectorAxis] as number) / 4)
  const main = mainAccumulator(phase)
  const alone: Schedule = { ...plainSchedule, vectorAxis, vectors: Math.min(vectorsMax, 4), order: [vectorAxis] }
  if (main === null) return alone
  // A block sum needs three registers, and its terms share no loads that a tile would save.
  const block = blockOf(phase, [main])
  if (block > 0) return { ...alone, block }
  const computed = computedFactors(phase, main)
  const loads = loadsOf(phase, main)
  let best = { tile: alone, cost: costOf(phase, accessesOf(loads, alone), alone) }
  // Among equal costs the innermost axis wins, since its rows are closest together in memory.
  for (let rowAxis = phase.parallel - 1; rowAxis >= 0; rowAxis--) {
    const rowsMax = Math.min(8, phase.axes[rowAxis] as number)
    if (rowAxis === vectorAxis || rowsMax < 2) continue
    const start: Schedule = {
      ...plainSchedule,
      vectorAxis,
      rowAxis,
      unrolled: slidAxes(phase, main, rowAxis, vectorAxis),
    }
    const staging = { ...start, order: stagingOrder(phase, rowAxis, vectorAxis) }
    const limits = computed.map((factor) => ({ factor, rows: stagedRowsMax(phase, staging, factor, rowsMax) }))
    const plain = { ...start, order: loopOrder(phase, main, rowAxis, vectorAxis) }
    const accesses = accessesOf(loads, start)
    for (let rows = 2; rows <= rowsMax; rows++) {
      const staged = limits.flatMap((limit) => (rows <= limit.rows ? [limit.factor] : []))
      const read = staged.length === 0 ? accesses : accessesOf(loadsOf(phase, withoutFactors(main, staged)), start)
      for (const vectors of [1, 2, 4]) {
        if (vectors > vectorsMax || rows * vectors >= registersMax) continue
        const tile = staged.length > 0 ? { ...staging, rows, vectors, staged } : { ...plain, rows, vectors }
        if (tile.unrolled.length > 0 && !fitsSliding(phase, accesses, tile)) continue
        const cost = costOf(phase, read, tile)
        if (cost < best.cost) best = { tile, cost }
      }
    }
  }
  return best.tile
}

/** The largest number of rows for which the factor can be staged; 0 if it cannot. Fewer rows need less scratch memory and are also legal. */
const stagedRowsMax = (phase: Phase, staging: Schedule, factor: number, rowsMax: number): number => {
  const isLegal = (rows: number): boolean => scheduleFault(phase, { ...staging, rows, staged: [factor] }) === null
  if (!isLegal(2)) return 0
  let rows = rowsMax
  while (rows > 2 && !isLegal(rows)) rows--
  return rows
}

const withoutFactors = (main: Accumulator, staged: readonly number[]): Accumulator => ({
  ...main,
  factors: main.factors.filter((factor) => !staged.includes(factor)),
})

/** The accumulator with the most terms. */
const mainAccumulator = ({ axes, accumulators }: Phase): Accumulator | null => {
  const termsIn = (accumulator: Accumulator): number =>
    accumulator.axes.reduce((product, axis) => product * (axes[axis] as number), 1)
  const [most] = [...accumulators].sort((a, b) => termsIn(b) - termsIn(a))
  return most ?? null
}

/** Factors that are the result of an op, not a plain load. */
const computedFactors = ({ exprs }: Phase, { factors }: Accumulator): readonly number[] =>
  factors.filter((factor) => exprs[factor]?.kind === 'op')

/** The loops that reuse the staged rows are inside of the row loop. */
const stagingOrder = ({ parallel }: Phase, rowAxis: number, vectorAxis: number): readonly number[] => {
  const inside = Array.from({ length: parallel }, (_, axis) => axis).filter(
    (axis) => axis > rowAxis && axis !== vectorAxis,
  )
  return [rowAxis, ...inside, vectorAxis]
}

type Load = Extract<Expr, { kind: 'load' }>

const loadsOf = (phase: Phase, accumulator: Accumulator): readonly Load[] =>
  [...reachedFrom(phase, termsOf(accumulator))].flatMap((at) => {
    const expr = phase.exprs[at] as Expr // verified
    return expr.kind === 'load' ? [expr] : []
  })

const moves = ({ coordinates }: Load, axis: number): boolean => coordinates.some((each) => movesWith(each, axis))

/** Reduced axes along which the windows of adjacent rows overlap, if a vector is loaded for each pixel. */
const slidAxes = (phase: Phase, main: Accumulator, rowAxis: number, vectorAxis: number): readonly number[] => {
  const windows = loadsOf(phase, main).filter((load) => moves(load, rowAxis) && moves(load, vectorAxis))
  return main.axes.filter(
    (axis) =>
      (phase.axes[axis] as number) <= 8 &&
      windows.some(({ coordinates }) => coordinates.some((each) => movesWith(each, rowAxis) && movesWith(each, axis))),
  )
}

/** How a load moves with the points of a tile. */
interface Access {
  /** The distance between adjacent rows; 0: all rows read the same elements. */
  readonly rowStride: number
  readonly onVector: boolean
}

const accessesOf = (loads: readonly Load[], { rowAxis, vectorAxis }: Schedule): readonly Access[] =>
  loads.map((load) => ({
    rowStride: rowAxis === null ? 0 : strideOf(load, rowAxis),
    onVector: vectorAxis !== null && moves(load, vectorAxis),
  }))

/**
 * The number of loads and multiplications per term; infinite if the tile needs too many registers. Registers hold the sums, the vectors that all rows
 * share, and one number per row, since V8 performs all loads before the arithmetic. `accesses`: the loads of factors that are not staged.
 */
const costOf = (phase: Phase, accesses: readonly Access[], tile: Schedule): number => {
  const { rowAxis, rows, vectors, unrolled, staged } = tile
  const taps = unrolled.reduce((product, axis) => product * (phase.axes[axis] as number), 1)
  // A staged factor is loaded from scratch memory once for each row.
  let [count, registers] = [staged.length * rows, rows * vectors + 1 + staged.length * rows]
  for (const { rowStride, onVector } of accesses) {
    const onRow = rowStride !== 0
    const own = (onRow ? rows : 1) * (onVector ? vectors : 1)
    const isSlid = onRow && onVector && unrolled.length > 0
    count += isSlid ? (vectors * ((rows - 1) * rowStride + taps)) / taps : own
    registers += isSlid ? 1 : own
  }
  const waste = rowAxis === null ? 1 : wasteOf(phase.axes[rowAxis] as number, rows)
  return registers > registersMax ? Number.POSITIVE_INFINITY : (count / (rows * vectors) + 1) * waste
}

/**
 * Limits the tiles of overlapping windows to one vector, and to 4 rows for up to 3 taps, 3 rows if the stride is larger than 1, and 8 rows for more
 * taps, which spill registers in any case.
 */
const fitsSliding = (phase: Phase, accesses: readonly Access[], { rows, vectors, unrolled }: Schedule): boolean => {
  if (vectors > 1) return false
  const isStrided = accesses.some(({ rowStride }) => rowStride > 1)
  const isWide = unrolled.some((axis) => (phase.axes[axis] as number) > 3)
  return rows <= (isWide ? 8 : isStrided ? 3 : 4)
}

/** The computed rows, including those past the end, divided by the rows that are needed. */
const wasteOf = (size: number, rows: number): number => (Math.ceil(size / rows) * rows) / size

/** The distance between adjacent points of the axis in the coordinate that depends on it; 0 if no coordinate does. */
const strideOf = ({ coordinates }: Load, axis: number): number => {
  for (const { at } of coordinates) {
    const term = at.kind === 'linear' ? at.terms.find((each) => each.axis === axis) : undefined
    if (term !== undefined) return Math.abs(term.stride)
  }
  return 0
}

/**
 * The vector axis is innermost. An operand that does not depend on a loop outside of the rows is read again in each of its iterations. So the loop
 * over an axis of the other operands only (panels of weights) is outside of the rows if those operands are larger.
 */
const loopOrder = (phase: Phase, main: Accumulator, rowAxis: number, vectorAxis: number): readonly number[] => {
  const sizeOf = (axis: number): number => phase.axes[axis] as number
  const loads = loadsOf(phase, main)
  const [onRow, offRow] = [loads.filter((load) => moves(load, rowAxis)), loads.filter((load) => !moves(load, rowAxis))]
  const isOutside = (axis: number): boolean =>
    axis > rowAxis &&
    axis !== vectorAxis &&
    offRow.some((load) => moves(load, axis)) &&
    !onRow.some((load) => moves(load, axis)) &&
    sizeOf(axis) * sizeOf(vectorAxis) > sizeOf(rowAxis)
  const others = Array.from({ length: phase.parallel }, (_, axis) => axis).filter(
    (axis) => axis !== vectorAxis && axis !== rowAxis,
  )
  const outside = others.filter((axis) => axis < rowAxis || isOutside(axis))
  return [...outside, rowAxis, ...others.filter((axis) => !outside.includes(axis)), vectorAxis]
}
