/** Which device tensor stands behind an object that a user holds. Kept here, so that a backend's own conversions find it. */
import type { Backend, DeviceTensor } from '../backend.ts'

export interface HeldTensor {
  readonly tensor: DeviceTensor
  readonly backend: Backend
}

const held = new WeakMap<object, HeldTensor>()

export const holdTensor = (holder: object, tensor: HeldTensor): void => {
  held.set(holder, tensor)
}
export const heldTensor = (holder: object): HeldTensor | null => held.get(holder) ?? null
const dropped = new WeakSet<object>()
export const dropTensor = (holder: object): void => {
  if (held.delete(holder)) dropped.add(holder)
}
/** A holder that was disposed of: for messages that say so. */
export const wasDropped = (holder: object): boolean => dropped.has(holder)
