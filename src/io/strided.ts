/** Converts PyTorch's strided views of a storage to row-major bytes. */
import { type FileDType, itemBytes } from './tensor-entry.ts'

export interface StridedView {
  readonly dtype: FileDType
  /** In elements, like the strides. */
  readonly offset: number
  readonly shape: readonly number[]
  readonly strides: readonly number[]
}

/** Are the elements in row-major order without gaps, so that no copy is needed? */
export const isContiguous = ({ shape, strides }: StridedView): boolean => {
  let wanted = 1
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const size = shape[axis] ?? 1
    if (size === 0) return true
    // The stride of an axis of size 1 is never used, and files have any number there.
    if (size !== 1 && strides[axis] !== wanted) return false
    wanted *= size
  }
  return true
}

/**
 * The elements in row-major order: a view of `storage` if they are stored so, else a copy.
 * The caller has checked that every element is inside the storage.
 */
export const rowMajor = (storage: Uint8Array, view: StridedView): Uint8Array => {
  const { dtype, offset, shape, strides } = view
  const item = itemBytes[dtype]
  const count = shape.reduce((product, size) => product * size, 1)
  if (isContiguous(view)) return storage.subarray(offset * item, (offset + count) * item)

  const out = new Uint8Array(count * item)
  const copy = copier(storage, out, item)
  // Axes of size 1 would slow the loops down.
  const axes = shape.flatMap((size, axis) => (size === 1 ? [] : [{ size, stride: strides[axis] ?? 0 }]))
  const inner = axes.pop() ?? { size: 1, stride: 0 }
  const index = axes.map(() => 0)
  let from = offset
  for (let to = 0; to < count; to += inner.size) {
    for (let i = 0; i < inner.size; i++) copy(from + i * inner.stride, to + i)
    // Advance to the next row like an odometer, last axis first.
    for (let axis = axes.length - 1; axis >= 0; axis--) {
      const { size, stride } = axes[axis] ?? inner
      const next = (index[axis] ?? 0) + 1
      index[axis] = next === size ? 0 : next
      from += next === size ? -(size - 1) * stride : stride
      if (next < size) break
    }
  }
  return out
}

/** Returns a function that copies one element bit by bit, as an integer, because a float could lose the payload of a NaN. */
const copier = (source: Uint8Array, target: Uint8Array, item: 1 | 2 | 4 | 8): ((from: number, to: number) => void) => {
  const a = new DataView(source.buffer, source.byteOffset, source.byteLength)
  const b = new DataView(target.buffer)
  switch (item) {
    case 1:
      return (from, to) => b.setUint8(to, a.getUint8(from))
    case 2:
      return (from, to) => b.setUint16(2 * to, a.getUint16(2 * from))
    case 4:
      return (from, to) => b.setUint32(4 * to, a.getUint32(4 * from))
    case 8:
      return (from, to) => {
        b.setUint32(8 * to, a.getUint32(8 * from))
        b.setUint32(8 * to + 4, a.getUint32(8 * from + 4))
      }
  }
}
