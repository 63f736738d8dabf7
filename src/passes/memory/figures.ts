/** How much memory an order of steps needs, whatever places a plan finds for it. */
import type { Buffer, Lifetimes } from './lifetimes.ts'

/**
 * The lower bound of a plan: the most bytes alive at once in the chosen order, by sizes as they are, without alignment. A buffer is alive
 * from the step that writes it to the last that reads it, both included; values that share a buffer count once. Variables and constants,
 * which lie outside of the plan, do not count.
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
