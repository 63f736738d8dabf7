import type { Linear, Phase } from './kernel.ts'
import { sum } from './linear.ts'
import { mapLinears, mapStore } from './rewrite.ts'

/** The phase with an axis of size n as two, n / inner and inner. Later axes move up by one. `inner` divides n. */
export const splitAxis = (phase: Phase, axis: number, inner: number): Phase => {
  const moved = (at: number): number => (at > axis ? at + 1 : at)
  const change = (x: Linear): Linear => ({
    ...sum([
      {
        ...x,
        terms: x.terms.flatMap(({ axis: at, stride }) =>
          at === axis
            ? [
                { axis: at, stride: stride * inner },
                { axis: at + 1, stride },
              ]
            : [{ axis: moved(at), stride }],
        ),
      },
    ]),
    divisor: x.divisor,
  })
  const size = phase.axes[axis] as number
  return {
    axes: phase.axes.flatMap((each, at) => (at === axis ? [size / inner, inner] : [each])),
    parallel: axis < phase.parallel ? phase.parallel + 1 : phase.parallel,
    exprs: phase.exprs.map((expr) => mapLinears(expr, change)),
    accumulators: phase.accumulators.map((accumulator) => ({
      ...accumulator,
      axes: accumulator.axes.flatMap((at) => (at === axis ? [at, at + 1] : [moved(at)])),
    })),
    stores: phase.stores.map((store) => mapStore(store, change)),
  }
}
