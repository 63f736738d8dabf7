/** Which device tensor stands behind an object that a user holds. Kept here, so that a backend's own conversions find it. */
import type { DeviceTensor } from '../backend.ts'

const held = new WeakMap<object, DeviceTensor>()

export const holdTensor = (holder: object, tensor: DeviceTensor): void => {
  held.set(holder, tensor)
}
export const heldTensor = (holder: object): DeviceTensor | null => held.get(holder) ?? null
const dropped = new WeakSet<object>()
export const dropTensor = (holder: object): void => {
  if (held.delete(holder)) dropped.add(holder)
}
/** A holder that was disposed of: for messages that say so. */
export const wasDropped = (holder: object): boolean => dropped.has(holder)
