/** The gradients of all ops, total over signatures.ts. Apart from the table of definitions: bundles without training do not have it. */
import type { AnyOpVjp, OpVjp } from '../op-def.ts'
import type { OpName } from '../signatures.ts'
import { compositeVjps } from './composite/index.ts'
import { contractionVjps } from './contraction/index.ts'
import { elementwiseVjps } from './elementwise/index.ts'
import { movementVjps } from './movement/index.ts'
import { poolingVjps } from './pooling/index.ts'
import { reductionVjps } from './reduction/index.ts'
import { regionVjps } from './region/index.ts'
import { sourceVjps } from './source/index.ts'
import { trainingVjps } from './training/index.ts'

export const opVjps: { readonly [K in OpName]: OpVjp<K> } = {
  ...sourceVjps,
  ...elementwiseVjps,
  ...movementVjps,
  ...reductionVjps,
  ...contractionVjps,
  ...poolingVjps,
  ...compositeVjps,
  ...trainingVjps,
  ...regionVjps,
}

/** The gradient of an op without the type of its name. Asserts, like opDef(), the correlation of op and attributes without a check. */
export const opVjp = (op: OpName): AnyOpVjp => opVjps[op] as AnyOpVjp
