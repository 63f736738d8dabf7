import type { OpDef } from '../../op-def.ts'
import type { RegionOps } from '../../signatures.ts'
import { composite } from './composite.ts'
import { fusion } from './fusion.ts'

/** Ops with a graph as body. */
export const regionOps: { readonly [K in keyof RegionOps]: OpDef<K> } = { fusion, composite }
