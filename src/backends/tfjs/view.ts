/**
 * How a value stands in memory while a program is planned: a slot, and a shape in which repeated axes have size 1.
 * Broadcasts, reshapes and literals cost nothing until a kernel needs the elements one by one.
 */
import { sameShape, type Type } from '../../ir/types.ts'

/** A number of a run's table of buffers. */
export type Slot = number

export interface View {
  readonly slot: Slot
  /** Of the rank of the value's type; an axis is 1 where the value repeats along it, else the type's size. */
  readonly shape: readonly number[]
  readonly type: Type
  /** The one number that the value consists of, where it is known. */
  readonly splat: number | null
}

/** Each element of the value has its own place in memory. */
export const isDense = (view: View): boolean => sameShape(view.shape, view.type.shape)

export const denseView = (slot: Slot, type: Type): View => ({ slot, shape: type.shape, type, splat: null })

/** The smallest shape that holds several views of equal type shape. */
export const jointShape = (views: readonly View[]): readonly number[] => {
  const [first] = views
  if (first === undefined) return []
  return first.shape.map((_, axis) => Math.max(...views.map((view) => view.shape[axis] ?? 1)))
}

/**
 * Shapes for kernels that broadcast: axes of size 1 vanish, neighbours that repeat alike become one, leading 1s are cut,
 * so that most operands reach the kernels' fast paths (equal shapes, scalars, suffixes). Row-major order makes this free.
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
