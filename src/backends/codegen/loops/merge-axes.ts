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
  let merged = flattened(withoutPoints(phase))
  for (let axis = 0; axis + 1 < merged.axes.length; )
    if (areEven(merged, axis)) merged = joined(merged, axis)
    else axis++
  return merged
}

const withoutPoints = (phase: Phase): Phase => {
  if (!phase.axes.includes(1)) return phase
  const kept = phase.axes.flatMap((size, axis) => (size === 1 ? [] : [axis]))
  return renumbered(phase, {
    axes: kept.map((axis) => phase.axes[axis] as number),
    parallel: kept.filter((axis) => axis < phase.parallel).length,
    placeOf: (axis) => (kept.includes(axis) ? kept.indexOf(axis) : null),
  })
}

/** Are the axis and the next axis both parallel or both reduced, and is each linear number a function of axis * size of the next + next? */
const areEven = ({ axes, parallel, exprs, accumulators, stores }: Phase, axis: number): boolean => {
  if (axis + 1 === parallel) return false
  const size = axes[axis + 1] as number
  const strideOf = ({ terms }: Linear, at: number): number => terms.find((term) => term.axis === at)?.stride ?? 0
  const isEven = (x: Linear): boolean => strideOf(x, axis) === size * strideOf(x, axis + 1)
  const areTogether = ({ axes: own }: Accumulator): boolean => {
    const at = own.indexOf(axis)
    return at < 0 ? !own.includes(axis + 1) : own[at + 1] === axis + 1
  }
  return (
    accumulators.every(areTogether) &&
    stores.every(({ coordinates }) => coordinates.every(({ at }) => at.kind === 'computed' || isEven(at))) &&
    exprs.every((expr) => linearsOf(expr).every(isEven))
  )
}

const joined = (phase: Phase, axis: number): Phase =>
  renumbered(phase, {
    axes: phase.axes.flatMap((size, at) =>
      at === axis ? [size * (phase.axes[axis + 1] as number)] : at === axis + 1 ? [] : [size],
    ),
    parallel: axis < phase.parallel ? phase.parallel - 1 : phase.parallel,
    placeOf: (at) => (at === axis ? null : at > axis ? at - 1 : at),
  })

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
    const found: Coordinate[] = []
    if (coordinates.length < 2) return coordinates
    for (const coordinate of coordinates) {
      const last = found.at(-1)
      const joint = last === undefined ? null : jointOf(last, coordinate, phase.axes)
      if (joint === null) found.push(coordinate)
      else found[found.length - 1] = joint
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

const jointOf = (a: Coordinate, b: Coordinate, axes: readonly number[]): Coordinate | null => {
  if (a.at.kind !== 'linear' || b.at.kind !== 'linear' || a.at.divisor !== 1 || b.at.divisor !== 1) return null
  if (!isAlwaysInside(a, axes) || !isAlwaysInside(b, axes)) return null
  return { at: sum([scaled(a.at, b.size), b.at]), size: a.size * b.size }
}
