/** Computes loop bounds within which a coordinate is in bounds, so that the loop body needs no check. */
import { type AxisBindings, asExpr, int, position } from './bindings.ts'
import type { Affine, LoopExpr } from './loops.ts'

export interface CounterBounds {
  readonly first: LoopExpr
  readonly end: LoopExpr
  /** The loops that the bounds depend on. */
  readonly loops: readonly number[]
}

/** The range of counters below `count` for which start + counter * stride is from 0 to size - 1. */
export const countersInside = (
  start: Affine,
  stride: number,
  { size, count }: { readonly size: number; readonly count: number },
  bindings: AxisBindings,
): CounterBounds => {
  const step = Math.abs(stride)
  const [least, largest] = bindings.range(start)
  const plus = (offset: number, sign: 1 | -1): LoopExpr =>
    asExpr({
      kind: 'affine',
      offset: sign * start.offset + offset,
      terms: start.terms.map((term) => ({ ...term, stride: sign * term.stride })),
    })
  const divided = (x: LoopExpr): LoopExpr => (step === 1 ? x : position('div', position('max', x, int(0)), int(step)))
  // The first counter is the smallest integer >= `low` / step. The end is the smallest integer > `high` / step.
  const isAscending = stride > 0
  const low = isAscending ? plus(step - 1, -1) : plus(step - size, 1)
  const high = isAscending ? plus(size - 1 + step, -1) : plus(step, 1)
  const lowest = isAscending ? -least : largest - size + 1
  const highest = isAscending ? size - 1 - largest : least
  return {
    first: lowest <= 0 ? int(0) : divided(low),
    end: highest >= step * (count - 1) ? int(count) : divided(high),
    loops: start.terms.map(({ loop }) => loop),
  }
}
