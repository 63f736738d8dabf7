import type { OpDef, OpDoc } from '../../op-def.ts'
import type { MovementOps } from '../../signatures.ts'
import { broadcast, broadcastDoc } from './broadcast.ts'
import { concatenate, concatenateDoc } from './concatenate.ts'
import { gather, gatherDoc } from './gather.ts'
import { oneHot, oneHotDoc } from './one-hot.ts'
import { pad, padDoc } from './pad.ts'
import { reshape, reshapeDoc } from './reshape.ts'
import { reverse, reverseDoc } from './reverse.ts'
import { slice, sliceDoc } from './slice.ts'
import { transpose, transposeDoc } from './transpose.ts'

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

export const movementDocs: { readonly [K in keyof MovementOps]: OpDoc } = {
  broadcast: broadcastDoc,
  concatenate: concatenateDoc,
  gather: gatherDoc,
  oneHot: oneHotDoc,
  pad: padDoc,
  reshape: reshapeDoc,
  reverse: reverseDoc,
  slice: sliceDoc,
  transpose: transposeDoc,
}
