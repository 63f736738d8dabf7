/** Lowers a phase with a schedule to loops over the tiles of its parallel points. */
import type { Phase } from '../kernel/kernel.ts'
import { AxisBindings, int, type Point, position } from './bindings.ts'
import { LoopBuilder } from './builder.ts'
import type { Lanes, LoopExpr, Loops } from './loops.ts'
import { type Piece, piecesOf, unitsOf } from './pieces.ts'
import { Reductions } from './reductions.ts'
import { orderOf, plainSchedule, type Schedule } from './schedule.ts'
import { stage } from './stage.ts'
import { scratchSizeOf, type Staged, stagedFactors } from './staging.ts'
import { Values } from './values.ts'

/** The schedule must be legal (schedule.ts). */
export const loopsOf = (phase: Phase, schedule: Schedule = plainSchedule): Loops =>
  new LoopLowering(phase, schedule).lower()

/** A tile: the number of rows and of columns, and the lanes of each column. */
interface Tile {
  readonly rows: number
  readonly columns: number
  readonly lanes: Lanes
}

class LoopLowering {
  readonly #phase: Phase
  readonly #schedule: Schedule
  readonly #builder = new LoopBuilder()
  readonly #bindings: AxisBindings
  readonly #values: Values
  readonly #reductions: Reductions
  readonly #staged: readonly Staged[]
  #points: readonly Point[] = []

  constructor(phase: Phase, schedule: Schedule) {
    this.#phase = phase
    this.#schedule = schedule
    this.#bindings = new AxisBindings(schedule.rowAxis, schedule.vectorAxis)
    this.#staged = stagedFactors(phase, schedule)
    const parts = { builder: this.#builder, bindings: this.#bindings }
    this.#values = new Values(
      phase,
      schedule,
      parts,
      (expr) => this.#reductions.accumulate(expr, this.#points),
      this.#staged,
    )
    this.#reductions = new Reductions(phase, schedule, { ...parts, values: this.#values })
  }

  lower(): Loops {
    this.#nest(orderOf(this.#phase, this.#schedule), { rows: 1, columns: 1, lanes: 1 })
    return {
      units: unitsOf(this.#phase, this.#schedule),
      scratchSize: scratchSizeOf(this.#phase, this.#schedule),
      loopCount: this.#bindings.loopCount,
      registers: this.#builder.registers,
      body: this.#builder.finish(),
    }
  }

  #nest([axis, ...inner]: readonly number[], tile: Tile): void {
    if (axis === undefined) {
      this.#tile(tile)
      return
    }
    let unit = 0
    for (const piece of piecesOf(this.#phase, axis, this.#schedule)) {
      const part = axis === this.#schedule.divided ? this.#partOf(piece, unit) : null
      this.#piece(axis, piece, part, () => {
        if (axis === this.#schedule.rowAxis) this.#stage(piece.length)
        this.#nest(inner, this.#extended(tile, axis, piece))
      })
      unit += piece.count
    }
  }

  /** Fills scratch memory with what a block of rows needs for all of its columns. */
  #stage(rows: number): void {
    for (const factor of this.#staged)
      stage(this.#phase, this.#schedule, factor, { builder: this.#builder, bindings: this.#bindings, rows })
  }

  #extended(tile: Tile, axis: number, { count, length, lanes }: Piece): Tile {
    if (axis === this.#schedule.vectorAxis) return { ...tile, columns: length, lanes }
    if (axis !== this.#schedule.rowAxis) return tile
    this.#reductions.isFixed = count === 1
    return { ...tile, rows: length }
  }

  /** The tiles of the piece that are in the range of units of the call. `unit`: the unit of the first tile of the piece. */
  #partOf({ count }: Piece, unit: number): readonly [first: LoopExpr, end: LoopExpr] {
    const from = (of: 'first' | 'end'): LoopExpr =>
      unit === 0 ? { kind: 'unit', of } : position('add', { kind: 'unit', of }, int(-unit))
    return [
      this.#builder.hoisted(position('max', from('first'), int(0)), []),
      this.#builder.hoisted(position('min', from('end'), int(count)), []),
    ]
  }

  #piece(
    axis: number,
    { start, count, length }: Piece,
    part: readonly [first: LoopExpr, end: LoopExpr] | null,
    add: () => void,
  ): void {
    if (count > 1) {
      const loop = this.#bindings.follow(axis, count, length, start)
      this.#builder.loop(loop, part?.[0] ?? int(0), part?.[1] ?? int(count), add)
      return
    }
    this.#bindings.fix(axis, start)
    if (part === null) {
      this.#builder.scope(add)
      return
    }
    const condition = position('lt', part[0], part[1])
    this.#builder.add({ kind: 'if', condition, body: this.#values.block(add), otherwise: [] })
  }

  #tile({ rows, columns, lanes }: Tile): void {
    this.#values.lanes = lanes
    const vectors = Math.ceil(columns / lanes)
    this.#points = Array.from({ length: rows * vectors }, (_, i) => ({
      row: Math.floor(i / vectors),
      column: (i % vectors) * lanes,
    }))
    // All values of a point are computed before any is stored, since a result may share its memory with an operand of the same size.
    this.#values.scoped(() => {
      for (const point of this.#points) {
        const stored = this.#phase.stores.map(({ value }) => this.#values.valueIn(lanes, value, point))
        this.#phase.stores.forEach(({ buffer, coordinates }, i) => {
          const at = this.#values.place(coordinates, point)
          this.#builder.add({ kind: 'store', buffer, at, value: stored[i] as LoopExpr, lanes })
        })
      }
    })
  }
}
