/** Fills scratch memory with the staged factors of a block of rows. */
import type { Expr, Phase } from '../kernel/kernel.ts'
import { reachedFrom } from '../kernel/rewrite.ts'
import { type AxisBindings, int } from './bindings.ts'
import type { LoopBuilder } from './builder.ts'
import { type Lanes, scratch } from './loops.ts'
import { vectorPieces } from './pieces.ts'
import { dependents, plainSchedule, type Schedule } from './schedule.ts'
import { type Staged, stagedPlace } from './staging.ts'
import { Values } from './values.ts'
import { vectorFault } from './vectors.ts'

/** Adds the statements that fill scratch memory for a number of rows. */
export const stage = (
  phase: Phase,
  schedule: Schedule,
  factor: Staged,
  {
    builder,
    bindings,
    rows,
  }: { readonly builder: LoopBuilder; readonly bindings: AxisBindings; readonly rows: number },
): void => {
  const { expr, axes } = factor
  const last = axes.at(-1) as number // legal schedules have a reduced axis
  const depends = dependents(phase, last)
  const isVector = vectorFault(onlyFactor(phase, expr), { axis: last, depends }) === null
  const own = bindings.withColumns(last)
  const values = new Values(
    phase,
    { ...plainSchedule, rowAxis: schedule.rowAxis, vectorAxis: last },
    {
      builder,
      bindings: own,
    },
    () => {},
  )
  const fill = (lanes: Lanes): void =>
    values.scoped(() => {
      values.lanes = lanes
      for (let row = 0; row < rows; row++) {
        const value = values.valueIn(lanes, expr, { row, column: 0 })
        builder.add({
          kind: 'store',
          buffer: scratch,
          at: stagedPlace(phase, factor, { row, column: 0 }, own),
          value,
          lanes,
        })
      }
    })
  const nest = ([axis, ...inner]: readonly number[]): void => {
    const size = phase.axes[axis as number] as number
    if (axis !== last) {
      const loop = own.follow(axis as number, size)
      builder.loop(loop, int(0), int(size), () => nest(inner))
      return
    }
    for (const { start, count, length, lanes } of isVector
      ? vectorPieces(size, 1)
      : [{ start: 0, count: size, length: 1, lanes: 1 } as const]) {
      const loop = own.follow(axis, count, length, start)
      builder.loop(loop, int(0), int(count), () => fill(lanes))
    }
  }
  nest(axes)
}

/** The phase with this expression as its only factor, for analyses of it alone. */
const onlyFactor = (phase: Phase, expr: number): Phase => {
  const reached = reachedFrom(phase, [expr])
  const nothing: Expr = { kind: 'constant', value: 0, dtype: 'float32' }
  return {
    ...phase,
    exprs: phase.exprs.map((each, at) => (reached.has(at) ? each : nothing)),
    accumulators: [],
    stores: [],
  }
}
