import type { OpDef } from '../../op-def.ts'
import type { ReductionOps } from '../../signatures.ts'
import { argMax } from './arg-max.ts'
import { reduceAll } from './reduce-all.ts'
import { reduceAny } from './reduce-any.ts'
import { reduceMax } from './reduce-max.ts'
import { reduceMin } from './reduce-min.ts'
import { reduceProd } from './reduce-prod.ts'
import { reduceSum } from './reduce-sum.ts'
import { topK } from './top-k.ts'

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
