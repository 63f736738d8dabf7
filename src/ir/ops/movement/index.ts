import type { OpDef, OpDoc, OpVjp } from '../../op-def.ts'
import type { MovementOps } from '../../signatures.ts'
import { broadcast, broadcastDoc, broadcastVjp } from './broadcast.ts'
import { concatenate, concatenateDoc, concatenateVjp } from './concatenate.ts'
import { gather, gatherDoc, gatherVjp } from './gather.ts'
import { oneHot, oneHotDoc, oneHotVjp } from './one-hot.ts'
import { pad, padDoc, padVjp } from './pad.ts'
import { reshape, reshapeDoc, reshapeVjp } from './reshape.ts'
import { reverse, reverseDoc, reverseVjp } from './reverse.ts'
import { slice, sliceDoc, sliceVjp } from './slice.ts'
import { transpose, transposeDoc, transposeVjp } from './transpose.ts'

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

export const movementVjps: { readonly [K in keyof MovementOps]: OpVjp<K> } = {
  broadcast: broadcastVjp,
  concatenate: concatenateVjp,
  gather: gatherVjp,
  oneHot: oneHotVjp,
  pad: padVjp,
  reshape: reshapeVjp,
  reverse: reverseVjp,
  slice: sliceVjp,
  transpose: transposeVjp,
}
