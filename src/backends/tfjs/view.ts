/**
 * The place of a value in memory, for planning a program: a slot, and a shape in which repeated axes have size 1.
 * Broadcasts, reshapes and literals cost nothing until a kernel needs the single elements.
 */
import { sameShape, type Type } from '../../ir/types.ts'

/** An index into a run's table of buffers. */
export type Slot = number

export interface View {
  readonly slot: Slot
  /** It has the rank of the value's type. An axis is 1 if the value repeats along it, else the type's size. */
  readonly shape: readonly number[]
  readonly type: Type
  /** The number that all elements have, if it is known. */
  readonly splat: number | null
}

/** Whether each element of the value has its own place in memory. */
export const isDense = (view: View): boolean => sameShape(view.shape, view.type.shape)

export const denseView = (slot: Slot, type: Type): View => ({ slot, shape: type.shape, type, splat: null })

/** The smallest shape that holds several views of equal type shape. */
export const jointShape = (views: readonly View[]): readonly number[] => {
  const [first] = views
  if (first === undefined) return []
  return first.shape.map((_, axis) => Math.max(...views.map((view) => view.shape[axis] ?? 1)))
}

/**
 * Shapes for kernels that broadcast. Axes of size 1 are removed, neighbouring axes that repeat in the same way are merged, leading 1s are removed.
 * Most operands then reach the kernels' fast paths (equal shapes, scalars, suffixes). In row-major order this costs nothing.
 */
export const collapsedShapes = (
  views: readonly View[],
): { readonly result: number[]; readonly operands: number[][] } => {
  const joint = jointShape(views)
  const groups: { size: number; readonly isFull: readonly boolean[] }[] = []
  for (let axis = 0; axis < joint.length; axis++) {
    const size = joint[axis] ?? 1
    if (size === 1) continue
    const isFull = views.map((view) => view.shape[axis] === size)
    const outer = groups.at(-1)
    if (outer?.isFull.every((full, i) => full === isFull[i]) === true) outer.size *= size
    else groups.push({ size, isFull })
  }
  const operands = views.map((_, i) => {
    const first = groups.findIndex(({ isFull }) => isFull[i])
    return first < 0 ? [] : groups.slice(first).map(({ size, isFull }) => (isFull[i] === true ? size : 1))
  })
  return { result: groups.map(({ size }) => size), operands }
}
