import type { OpDef, OpDoc, OpVjp } from '../../op-def.ts'
import type { RegionOps } from '../../signatures.ts'
import { composite, compositeDoc, compositeVjp } from './composite.ts'
import { fusion, fusionDoc, fusionVjp } from './fusion.ts'

/** Ops with a graph as body. */
export const regionOps: { readonly [K in keyof RegionOps]: OpDef<K> } = { fusion, composite }

export const regionDocs: { readonly [K in keyof RegionOps]: OpDoc } = {
  fusion: fusionDoc,
  composite: compositeDoc,
}

export const regionVjps: { readonly [K in keyof RegionOps]: OpVjp<K> } = {
  fusion: fusionVjp,
  composite: compositeVjp,
}
