/** One loop for all ops that only move elements: slices, padding, concatenation, reversal, transposition, repetition. */
import type { HostArray } from '../backend.ts'

/** A walk over an array: element (i, j, …) is at `at + i * strides[0] + j * strides[1] + …`; strides may be 0 or negative. */
export interface Walk {
  readonly at: number
  readonly strides: readonly number[]
}

/** A loop copies shorter runs, because making a subarray would take longer. */
const runMin = 24

/** Copies a block of `shape` from one walk to another, over arrays of one element type. */
export const copyStrided = (
  source: HostArray,
  from: Walk,
  target: HostArray,
  to: Walk,
  shape: readonly number[],
): void => {
  const axes = mergedAxes(shape, from.strides, to.strides)
  const last = axes.length - 1
  const inner = axes[last]
  if (inner === undefined) {
    target[to.at] = source[from.at] as number
    return
  }
  const walk = (axis: number, s: number, t: number): void => {
    if (axis === last) {
      copyRun(source, s, inner.from, target, t, inner.to, inner.size)
      return
    }
    const { size, from: ds, to: dt } = axes[axis] as MergedAxis // below last
    if (ds === 0) repeat(axis, s, t)
    else for (let i = 0, a = s, b = t; i < size; i++, a += ds, b += dt) walk(axis + 1, a, b)
  }
  /** Repeats one block: writes it once, and then doubles the copies if they are adjacent. */
  const repeat = (axis: number, s: number, t: number): void => {
    const { size, to: dt } = axes[axis] as MergedAxis // below last
    walk(axis + 1, s, t)
    if (dt !== blockSize(axes, axis + 1)) {
      for (let i = 1; i < size; i++) walk(axis + 1, s, t + i * dt)
      return
    }
    for (let done = 1; done < size; ) {
      const count = Math.min(done, size - done)
      target.copyWithin(t + done * dt, t, t + count * dt)
      done += count
    }
  }
  walk(0, from.at, to.at)
}

interface MergedAxis {
  readonly size: number
  readonly from: number
  readonly to: number
}

/** Removes axes of size 1, and merges neighbouring axes that both walks cross as one axis. */
const mergedAxes = (
  shape: readonly number[],
  from: readonly number[],
  to: readonly number[],
): readonly MergedAxis[] => {
  const axes: MergedAxis[] = []
  for (let axis = 0; axis < shape.length; axis++) {
    const next: MergedAxis = { size: shape[axis] ?? 1, from: from[axis] ?? 0, to: to[axis] ?? 0 }
    if (next.size === 1) continue
    const outer = axes.at(-1)
    if (outer !== undefined && outer.from === next.from * next.size && outer.to === next.to * next.size)
      axes[axes.length - 1] = { ...next, size: outer.size * next.size }
    else axes.push(next)
  }
  return axes
}

/** The number of elements of the inner block if it is dense in the target, else null. */
const blockSize = (axes: readonly MergedAxis[], axis: number): number | null => {
  let size = 1
  for (let at = axes.length - 1; at >= axis; at--) {
    const { size: n, to } = axes[at] as MergedAxis // in range
    if (to !== size) return null
    size *= n
  }
  return size
}

const copyRun = (
  source: HostArray,
  s: number,
  ds: number,
  target: HostArray,
  t: number,
  dt: number,
  size: number,
): void => {
  if (dt === 1 && ds === 0) target.fill(source[s] as number, t, t + size)
  else if (dt === 1 && ds === 1 && size >= runMin) target.set(source.subarray(s, s + size), t)
  else for (let i = 0, a = s, b = t; i < size; i++, a += ds, b += dt) target[b] = source[a] as number
}
