import type { OpDef } from '../../op-def.ts'
import type { MovementOps } from '../../signatures.ts'
import { broadcast } from './broadcast.ts'
import { concatenate } from './concatenate.ts'
import { gather } from './gather.ts'
import { oneHot } from './one-hot.ts'
import { pad } from './pad.ts'
import { reshape } from './reshape.ts'
import { reverse } from './reverse.ts'
import { slice } from './slice.ts'
import { transpose } from './transpose.ts'

/** Movement ops: they change shapes and places of elements. */
export const movementOps: { readonly [K in keyof MovementOps]: OpDef<K> } = {
  broadcast,
  concatenate,
  gather,
  oneHot,
  pad,
  reshape,
  reverse,
  slice,
  transpose,
}
