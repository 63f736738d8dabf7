/** How TensorFlow runs each op. Total: an op without an entry does not compile. */
import { opNames } from '../../ir/ops/index.ts'
import type { OpName } from '../../ir/signatures.ts'
import { compositeLowering } from './lower/composite.ts'
import { contractionLowering } from './lower/contraction.ts'
import { elementwiseLowering } from './lower/elementwise.ts'
import { movementLowering } from './lower/movement.ts'
import { poolingLowering } from './lower/pooling.ts'
import { reductionLowering } from './lower/reduction.ts'
import { sourceLowering } from './lower/source.ts'
import { trainingLowering } from './lower/training.ts'
import type { Lowering } from './lowering.ts'

/** Ops that lower-graph.ts and graph-scope.ts lower: operands and constants of the function, broadcasts, and regions. */
export type StructuralOp = 'input' | 'variable' | 'constant' | 'broadcast' | 'fusion'

export const tensorflowLowering: { readonly [K in Exclude<OpName, StructuralOp>]: Lowering<K> } = {
  ...sourceLowering,
  ...elementwiseLowering,
  ...movementLowering,
  ...reductionLowering,
  ...contractionLowering,
  ...poolingLowering,
  ...compositeLowering,
  ...trainingLowering,
  composite: 'decompose',
}

/** The ops that the pass legalize must decompose. */
export const decomposedOps: readonly OpName[] = opNames.filter(
  (op) => (tensorflowLowering as { readonly [K in OpName]?: Lowering<K> })[op] === 'decompose',
)
