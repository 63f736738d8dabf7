/**
 * Merges adjacent axes of phases into one longer axis. For example, the pixels of a 1x1 convolution become one axis, so that few tiles are
 * incomplete; and a map over a tensor becomes one axis. The computed values do not change.
 */
import type { Accumulator, Coordinate, Expr, Kernel, Linear, Phase } from '../kernel/kernel.ts'
import { isAlwaysInside, sum, scaled } from '../kernel/linear.ts'
import { linearsOf, mapLinears, mapStore } from '../kernel/rewrite.ts'

export const mergeKernelAxes = (kernel: Kernel): Kernel => ({ ...kernel, phases: kernel.phases.map(mergeAxes) })

/** Removes axes of size 1, and merges adjacent axes if all linear numbers are functions of the merged axis. */
export const mergeAxes = (phase: Phase): Phase => {
  const flat = flattened(phase)
  const kept = flat.axes.flatMap((size, axis) => (size === 1 ? [] : [axis]))
  // A run of axes that can be merged. The strides of the merged axis are those of the last one.
  const runs: number[][] = []
  for (const [i, axis] of kept.entries()) {
    const run = runs.at(-1)
    if (run !== undefined && areEven(flat, kept[i - 1] as number, axis)) run.push(axis)
    else runs.push([axis])
  }
  if (runs.length === flat.axes.length) return flat
  const places = new Map(runs.map((run, place) => [run.at(-1), place]))
  return renumbered(flat, {
    axes: runs.map((run) => run.reduce((product, axis) => product * (flat.axes[axis] as number), 1)),
    parallel: runs.filter(([first]) => (first as number) < flat.parallel).length, // a run has at least one axis
    placeOf: (axis) => places.get(axis) ?? null,
  })
}

/**
 * Are the axis and the next axis with a size other than 1 both parallel or both reduced, and is each linear number a function of
 * axis * size of the next + next?
 */
const areEven = ({ axes, parallel, exprs, accumulators, stores }: Phase, axis: number, next: number): boolean => {
  if (axis < parallel && next >= parallel) return false
  const size = axes[next] as number
  const isEven = ({ terms }: Linear): boolean => {
    let [outer, inner] = [0, 0]
    for (const term of terms) {
      if (term.axis === axis) outer = term.stride
      else if (term.axis === next) inner = term.stride
    }
    return outer === size * inner
  }
  const areTogether = ({ axes: all }: Accumulator): boolean => {
    const own = all.filter((each) => axes[each] !== 1)
    const at = own.indexOf(axis)
    return at < 0 ? !own.includes(next) : own[at + 1] === next
  }
  return (
    accumulators.every(areTogether) &&
    stores.every(({ coordinates }) => coordinates.every(({ at }) => at.kind === 'computed' || isEven(at))) &&
    exprs.every((expr) => linearsOf(expr).every(isEven))
  )
}

interface Renumbering {
  readonly axes: readonly number[]
  readonly parallel: number
  /** The new number of an axis; null if the axis was removed. */
  readonly placeOf: (axis: number) => number | null
}

const renumbered = (phase: Phase, { axes, parallel, placeOf }: Renumbering): Phase => {
  const change = (x: Linear): Linear => ({
    ...x,
    terms: x.terms.flatMap(({ axis, stride }) => {
      const place = placeOf(axis)
      return place === null ? [] : [{ axis: place, stride }]
    }),
  })
  return {
    axes,
    parallel,
    exprs: phase.exprs.map((expr) => mapLinears(expr, change)),
    accumulators: phase.accumulators.map((accumulator) => ({
      ...accumulator,
      axes: accumulator.axes.map(placeOf).filter((place) => place !== null),
    })),
    stores: phase.stores.map((store) => mapStore(store, change)),
  }
}

/** Merges adjacent coordinates that are always in bounds. */
const flattened = (phase: Phase): Phase => {
  const flat = (coordinates: readonly Coordinate[]): readonly Coordinate[] => {
    if (coordinates.length < 2) return coordinates
    const found: Coordinate[] = []
    let last: InsideCoordinate | null = null
    for (const coordinate of coordinates) {
      const inside = asInside(coordinate, phase.axes)
      if (last !== null && inside !== null) {
        last = { at: sum([scaled(last.at, inside.size), inside.at]), size: last.size * inside.size }
        found[found.length - 1] = last
      } else {
        last = inside
        found.push(coordinate)
      }
    }
    return found
  }
  const ofExpr = (expr: Expr): Expr => (expr.kind === 'load' ? { ...expr, coordinates: flat(expr.coordinates) } : expr)
  return {
    ...phase,
    exprs: phase.exprs.map(ofExpr),
    stores: phase.stores.map((store) => ({ ...store, coordinates: flat(store.coordinates) })),
  }
}

interface InsideCoordinate extends Coordinate {
  readonly at: Linear
}

/** The coordinate if it is an integer that is always in bounds, else null. */
const asInside = ({ at, size }: Coordinate, axes: readonly number[]): InsideCoordinate | null =>
  at.kind === 'linear' && at.divisor === 1 && isAlwaysInside({ at, size }, axes) ? { at, size } : null
