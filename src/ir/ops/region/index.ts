import type { OpDef } from '../../op-def.ts'
import type { RegionOps } from '../../signatures.ts'
import { composite } from './composite.ts'
import { fusion } from './fusion.ts'

/** Ops whose meaning is a graph. */
export const regionOps: { readonly [K in keyof RegionOps]: OpDef<K> } = { fusion, composite }
