import type { OpDef, OpDoc } from '../../op-def.ts'
import type { ReductionOps } from '../../signatures.ts'
import { argMax, argMaxDoc } from './arg-max.ts'
import { reduceAll, reduceAllDoc } from './reduce-all.ts'
import { reduceAny, reduceAnyDoc } from './reduce-any.ts'
import { reduceMax, reduceMaxDoc } from './reduce-max.ts'
import { reduceMin, reduceMinDoc } from './reduce-min.ts'
import { reduceProd, reduceProdDoc } from './reduce-prod.ts'
import { reduceSum, reduceSumDoc } from './reduce-sum.ts'
import { topK, topKDoc } from './top-k.ts'

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
