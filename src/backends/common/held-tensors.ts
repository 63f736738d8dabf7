/** The device tensors behind users' objects, stored so that a backend's own conversions find them. */
import type { DeviceTensor } from '../backend.ts'

/** null: the object was disposed of. */
const held = new WeakMap<object, DeviceTensor | null>()

export const holdTensor = (holder: object, tensor: DeviceTensor): void => {
  held.set(holder, tensor)
}
export const heldTensor = (holder: object): DeviceTensor | null => held.get(holder) ?? null
export const dropTensor = (holder: object): void => {
  if (held.has(holder)) held.set(holder, null)
}
/** Was the object disposed of? For messages. */
export const wasDropped = (holder: object): boolean => held.get(holder) === null
