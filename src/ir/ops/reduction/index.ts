import type { OpDef, OpDoc, OpVjp } from '../../op-def.ts'
import type { ReductionOps } from '../../signatures.ts'
import { argMax, argMaxDoc, argMaxVjp } from './arg-max.ts'
import { reduceAll, reduceAllDoc, reduceAllVjp } from './reduce-all.ts'
import { reduceAny, reduceAnyDoc, reduceAnyVjp } from './reduce-any.ts'
import { reduceMax, reduceMaxDoc, reduceMaxVjp } from './reduce-max.ts'
import { reduceMin, reduceMinDoc, reduceMinVjp } from './reduce-min.ts'
import { reduceProd, reduceProdDoc, reduceProdVjp } from './reduce-prod.ts'
import { reduceSum, reduceSumDoc, reduceSumVjp } from './reduce-sum.ts'
import { topK, topKDoc, topKVjp } from './top-k.ts'

/** Reductions: they combine many elements into one. */
export const reductionOps: { readonly [K in keyof ReductionOps]: OpDef<K> } = {
  argMax,
  reduceAll,
  reduceAny,
  reduceMax,
  reduceMin,
  reduceProd,
  reduceSum,
  topK,
}

export const reductionDocs: { readonly [K in keyof ReductionOps]: OpDoc } = {
  argMax: argMaxDoc,
  reduceAll: reduceAllDoc,
  reduceAny: reduceAnyDoc,
  reduceMax: reduceMaxDoc,
  reduceMin: reduceMinDoc,
  reduceProd: reduceProdDoc,
  reduceSum: reduceSumDoc,
  topK: topKDoc,
}

export const reductionVjps: { readonly [K in keyof ReductionOps]: OpVjp<K> } = {
  argMax: argMaxVjp,
  reduceAll: reduceAllVjp,
  reduceAny: reduceAnyVjp,
  reduceMax: reduceMaxVjp,
  reduceMin: reduceMinVjp,
  reduceProd: reduceProdVjp,
  reduceSum: reduceSumVjp,
  topK: topKVjp,
}
