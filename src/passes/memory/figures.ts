/** The memory that an order of steps needs, independent of the offsets in a plan. */
import type { Buffer, Lifetimes } from './lifetimes.ts'

/**
 * The lower bound of a plan: the most bytes that are alive at the same time in the chosen order, without alignment. A buffer is alive from the
 * step that writes it to the last step that reads it, both included. Values that share a buffer count once. Variables and constants are outside
 * of the plan and do not count.
 */
export const lowerBoundOf = ({ buffers }: Pick<Lifetimes, 'buffers'>, steps: number): number =>
  aliveBytes(buffers, steps).reduce((most, bytes) => Math.max(most, bytes), 0)

/** Bytes alive at each time, from before the first step to after the last: `steps + 2` numbers. */
export const aliveBytes = (buffers: readonly Buffer[], steps: number): Float64Array => {
  const alive = new Float64Array(steps + 3)
  for (const { bytes, first, last } of buffers) {
    alive[first + 1] = (alive[first + 1] as number) + bytes
    alive[last + 2] = (alive[last + 2] as number) - bytes
  }
  for (let time = 1; time < alive.length; time++) alive[time] = (alive[time] as number) + (alive[time - 1] as number)
  return alive.subarray(0, steps + 2)
}
