/** The table of all ops, total over signatures.ts: a missing op is a type error. */
import type { AnyOpDef, OpDef } from '../op-def.ts'
import type { OpName } from '../signatures.ts'
import { compositeOps } from './composite/index.ts'
import { contractionOps } from './contraction/index.ts'
import { elementwiseOps } from './elementwise/index.ts'
import { movementOps } from './movement/index.ts'
import { poolingOps } from './pooling/index.ts'
import { reductionOps } from './reduction/index.ts'
import { regionOps } from './region/index.ts'
import { sourceOps } from './source/index.ts'
import { trainingOps } from './training/index.ts'

export const opDefs: { readonly [K in OpName]: OpDef<K> } = {
  ...sourceOps,
  ...elementwiseOps,
  ...movementOps,
  ...reductionOps,
  ...contractionOps,
  ...poolingOps,
  ...compositeOps,
  ...trainingOps,
  ...regionOps,
}

/** The definition of an op without the type of its name. One of the two places that assert the correlation of op and attributes without a check. */
export const opDef = (op: OpName): AnyOpDef => opDefs[op] as AnyOpDef

export const opNames: readonly OpName[] = Object.keys(opDefs).sort() as OpName[]

/** Is the string, which may come from text or from users, the name of an op? */
export const isOpName = (name: string): name is OpName => Object.hasOwn(opDefs, name)
