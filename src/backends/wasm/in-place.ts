/** Finds the operands that a result of a phase may overwrite: at each point, the phase must read only the element that it then writes. */
import type { Coordinate, KernelBuffer, Phase } from '../codegen/kernel/kernel.ts'
import { sameShape } from '../../ir/types.ts'

export interface InPlace {
  /** Numbers of buffers of the kernel. */
  readonly write: number
  readonly read: number
}

/**
 * An operand `read` and a result `write` may share memory if each store of `write` and each load of `read` in the phase is at the same coordinates,
 * and these name each parallel axis exactly once. Then different points access different elements, and the point that reads an element is the point
 * that writes it. Accumulators must not read `read`, because they access other elements before the point's store. Elements must have the same size.
 */
export const inPlacePairs = (phase: Phase, buffers: readonly KernelBuffer[]): readonly InPlace[] => {
  const stored = [...new Set(phase.stores.map(({ buffer }) => buffer))]
  const loaded = [...new Set(phase.exprs.flatMap((expr) => (expr.kind === 'load' ? [expr.buffer] : [])))]
  return stored.flatMap((write) => {
    const [first, ...others] = phase.stores.filter(({ buffer }) => buffer === write)
    if (first === undefined || others.length > 0 || !isPoint(first.coordinates, phase)) return []
    return loaded
      .filter((read) => fits(read, write, buffers) && readsAt(read, first.coordinates, phase))
      .map((read) => ({ write, read }))
  })
}

/** Does each parallel axis of size above 1 occur in exactly one coordinate, and no axis in two? */
const isPoint = (coordinates: readonly Coordinate[], { axes, parallel }: Phase): boolean => {
  const named = coordinates.map(axisOf).filter((axis) => axis !== -1)
  const distinct = new Set(named)
  return (
    distinct.size === named.length && axes.slice(0, parallel).every((size, axis) => size === 1 || distinct.has(axis))
  )
}

/** The axis that the coordinate equals; -1 for a constant 0; null for any other coordinate. */
const axisOf = ({ at }: Coordinate): number | null => {
  if (at.kind !== 'linear' || at.offset !== 0 || at.divisor !== 1) return null
  const [term, ...more] = at.terms
  if (term === undefined) return -1
  return more.length === 0 && term.stride === 1 ? term.axis : null
}

const fits = (read: number, write: number, buffers: readonly KernelBuffer[]): boolean => {
  const [from, to] = [buffers[read], buffers[write]]
  return from !== undefined && to !== undefined && from.dtype === to.dtype && sameShape(from.shape, to.shape)
}

/** Do all loads of the buffer read the element at these coordinates, each of which is an axis or 0? */
const readsAt = (buffer: number, at: readonly Coordinate[], phase: Phase): boolean =>
  phase.exprs.every(
    (expr) =>
      expr.kind !== 'load' ||
      expr.buffer !== buffer ||
      expr.coordinates.every(
        (coordinate, i) => axisOf(coordinate) !== null && axisOf(coordinate) === axisOf(at[i] as Coordinate),
      ), // equal shapes
  )
