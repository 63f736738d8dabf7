import type { OpDef, OpDoc } from '../../op-def.ts'
import type { RegionOps } from '../../signatures.ts'
import { composite, compositeDoc } from './composite.ts'
import { fusion, fusionDoc } from './fusion.ts'

/** Ops with a graph as body. */
export const regionOps: { readonly [K in keyof RegionOps]: OpDef<K> } = { fusion, composite }

export const regionDocs: { readonly [K in keyof RegionOps]: OpDoc } = {
  fusion: fusionDoc,
  composite: compositeDoc,
}
