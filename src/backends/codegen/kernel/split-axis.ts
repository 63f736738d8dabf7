import type { Linear, Phase } from './kernel.ts'
import { axis as numberOf, scaled, sum } from './linear.ts'
import { mapLinears, mapStore, substituted } from './rewrite.ts'

/** Splits an axis of size n into two axes of sizes n / inner and inner. Later axes move up by one. n must be a multiple of `inner`. */
export const splitAxis = (phase: Phase, axis: number, inner: number): Phase => {
  const parts = (at: number): readonly number[] => (at === axis ? [at, at + 1] : [at > axis ? at + 1 : at])
  const numbers = new Map(
    phase.axes.map((_, at) => {
      const [first, second] = parts(at).map(numberOf) as [Linear, Linear?]
      return [at, second === undefined ? first : sum([scaled(first, inner), second])] as const
    }),
  )
  const change = (x: Linear): Linear => substituted(x, numbers)
  return {
    axes: phase.axes.flatMap((size, at) => (at === axis ? [size / inner, inner] : [size])),
    parallel: axis < phase.parallel ? phase.parallel + 1 : phase.parallel,
    exprs: phase.exprs.map((expr) => mapLinears(expr, change)),
    accumulators: phase.accumulators.map((each) => ({ ...each, axes: each.axes.flatMap(parts) })),
    stores: phase.stores.map((store) => mapStore(store, change)),
  }
}
