/** Bounds of a loop within which a coordinate is inside, so that its body need not ask. */
import { type AxisBindings, asExpr, int, position } from './bindings.ts'
import type { Affine, LoopExpr } from './loops.ts'

export interface CounterBounds {
  readonly first: LoopExpr
  readonly end: LoopExpr
  /** Loops that they depend on. */
  readonly loops: readonly number[]
}

/** From which to which counter, of those below `count`, start + counter * stride is from 0 to size - 1. */
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
  // The first counter is the least that is not below `low` / step, the end the least that is above `high` / step.
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
