/** Which device tensor stands behind an object that a user holds. Kept here, so that a backend's own conversions find it. */
import type { DeviceTensor } from '../backend.ts'

/** null: the holder was disposed of. */
const held = new WeakMap<object, DeviceTensor | null>()

export const holdTensor = (holder: object, tensor: DeviceTensor): void => {
  held.set(holder, tensor)
}
export const heldTensor = (holder: object): DeviceTensor | null => held.get(holder) ?? null
export const dropTensor = (holder: object): void => {
  if (held.has(holder)) held.set(holder, null)
}
/** A holder that was disposed of: for messages that say so. */
export const wasDropped = (holder: object): boolean => held.get(holder) === null
