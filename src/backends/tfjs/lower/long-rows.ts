/**
 * XNNPACK broadcasts a vector along a tensor row by row, with one call of its inner loop per row. With few channels this takes twice as long as
 * equal shapes. [R, C] with [C] is equivalent to [R / k, k * C] with the vector written k times. This file converts operands in this way.
 */
import { elements } from '../../../ir/types.ts'
import type { Operand } from '../plan-types.ts'
import type { Planner } from '../planner.ts'
import { as } from './shared.ts'

/** The smallest row length that justifies a call. Rows are made this long, or slightly longer. */
const [rowMin, rowMax] = [512, 4096]
/** Writing the vector must be small compared with the work itself. */
const shareMax = 1 / 8

type Pair = readonly [Operand, Operand]

/** The operands with longer rows if that is faster; their shapes are collapsed (view.ts). */
export const withLongRows = (operands: Pair, planner: Planner): Pair => {
  const [a, b] = operands
  const rank = Math.max(a.shape.length, b.shape.length)
  const [x, y] = [fullRank(a, rank), fullRank(b, rank)]
  const channels = x.shape[rank - 1] ?? 1
  const [xRows = 1, yRows = 1] = [x.shape[rank - 2], y.shape[rank - 2]]
  if (rank < 2 || channels !== y.shape[rank - 1] || (xRows === 1) === (yRows === 1)) return operands
  const count = repetitions(Math.max(xRows, yRows), channels)
  if (count === null) return operands
  const longer = (operand: Operand): Operand =>
    operand.shape[rank - 2] === 1 ? repeated(operand, count, planner) : regrouped(operand, count)
  return [longer(x), longer(y)]
}

/** How often the vector is written; null if this gives no gain. */
export const repetitions = (rows: number, channels: number): number | null => {
  if (channels >= rowMin) return null
  const most = Math.min(Math.floor(rows * shareMax), Math.floor(rowMax / channels))
  for (let count = Math.ceil(rowMin / channels); count <= most; count++) if (rows % count === 0) return count
  return null
}

const fullRank = (x: Operand, rank: number): Operand =>
  as(x, [...new Array<number>(rank - x.shape.length).fill(1), ...x.shape])

/** [..., R, C] as [..., R / count, count * C]. */
const regrouped = (x: Operand, count: number): Operand => {
  const [rows = 1, channels = 1] = x.shape.slice(-2)
  return as(x, [...x.shape.slice(0, -2), rows / count, count * channels])
}

/** [..., 1, C] as [..., 1, count * C]; made once for all users of the vector. */
const repeated = (x: Operand, count: number, planner: Planner): Operand => {
  const outer = x.shape.slice(0, -2)
  const channels = x.shape.at(-1) ?? 1
  const size = elements(outer)
  const slot = planner.once(`${x.slot} rows ${size} x ${count} x ${channels}`, () =>
    planner.moved(x, { dtype: x.dtype, shape: [size, count, channels] }, 0, [channels, 0, 1], 'repeat'),
  )
  return { ...x, slot, shape: [...outer, 1, count * channels] }
}
