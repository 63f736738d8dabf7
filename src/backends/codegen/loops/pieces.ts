/** Splits the range of a parallel axis into pieces. All tiles of a piece have the same code. */
import type { Phase } from '../kernel/kernel.ts'
import { interiorOf } from './guards.ts'
import type { Lanes } from './loops.ts'
import type { Schedule } from './schedule.ts'

/** `count` tiles of `length` points each, contiguous from `start`. A piece with a single tile has a constant position. */
export interface Piece {
  readonly start: number
  readonly count: number
  readonly length: number
  readonly lanes: Lanes
}

/** The pieces of an axis in ascending order. Each point is in exactly one piece. */
export const piecesOf = (
  phase: Phase,
  axis: number,
  { rowAxis, rows, vectorAxis, vectors }: Schedule,
): readonly Piece[] => {
  const size = phase.axes[axis] as number
  if (axis === rowAxis) return rowPieces(size, rows, interiorOf(phase, axis))
  if (axis === vectorAxis) return vectorPieces(size, vectors)
  return size === 0 ? [] : [{ start: 0, count: size, length: 1, lanes: 1 }]
}

/** The number of units: the tiles of the divided axis. */
export const unitsOf = (phase: Phase, schedule: Schedule): number =>
  schedule.divided === null
    ? 1
    : piecesOf(phase, schedule.divided, schedule).reduce((total, { count }) => total + count, 0)

/** If there were more edge tiles than this, edges become ordinary tiles with bounds checks. */
const edgesMax = 5

/** Edge tiles have constant positions, so the terms that are in bounds are known at compile time. */
const rowPieces = (size: number, rows: number, [first, end]: readonly [number, number]): readonly Piece[] => {
  const pieces = splitAt(size, rows, first, end)
  return pieces.filter(({ count }) => count === 1).length > edgesMax ? splitAt(size, rows, 0, size) : pieces
}

const splitAt = (size: number, rows: number, first: number, end: number): readonly Piece[] => {
  const pieces: Piece[] = []
  let start = 0
  const add = (count: number, length: number): void => {
    if (count > 0) pieces.push({ start, count, length, lanes: 1 })
    start += count * length
  }
  while (start < Math.min(first, size)) add(1, Math.min(rows, size - start))
  add(Math.floor((Math.max(end, start) - start) / rows), rows)
  while (start < size) add(1, Math.min(rows, size - start))
  return pieces
}

/** Groups of vectors, then single vectors, then single elements. */
export const vectorPieces = (size: number, vectors: number): readonly Piece[] => {
  const pieces: Piece[] = []
  let start = 0
  for (const length of vectors > 1 ? [4 * vectors, 4, 1] : [4, 1]) {
    const count = Math.floor((size - start) / length)
    if (count > 0) pieces.push({ start, count, length, lanes: length === 1 ? 1 : 4 })
    start += count * length
  }
  return pieces
}
