/** How TensorFlow runs each op. A missing op is a type error, except for composites. */
import type { ModelOps, OpName, WithOptionalComposites } from '../../ir/signatures.ts'
import { compositesWithout } from '../../passes/decompose.ts'
import { compositeLowering } from './lower/composite.ts'
import { contractionLowering } from './lower/contraction.ts'
import { elementwiseLowering } from './lower/elementwise.ts'
import { movementLowering } from './lower/movement.ts'
import { poolingLowering } from './lower/pooling.ts'
import { reductionLowering } from './lower/reduction.ts'
import { sourceLowering } from './lower/source.ts'
import { trainingLowering } from './lower/training.ts'
import type { LowerFunction } from './lowering.ts'

/** Ops that passes have replaced, and those that lower-graph.ts and graph-scope.ts lower: operands and constants of the function, broadcasts, and regions. */
export type StructuralOp = 'input' | 'variable' | 'constant' | 'broadcast' | 'fusion' | keyof ModelOps

export const tensorflowLowering: WithOptionalComposites<{
  readonly [K in Exclude<OpName, StructuralOp>]: LowerFunction<K>
}> = {
  ...sourceLowering,
  ...elementwiseLowering,
  ...movementLowering,
  ...reductionLowering,
  ...contractionLowering,
  ...poolingLowering,
  ...compositeLowering,
  ...trainingLowering,
}

/** The composites that have no entry. The pass legalize decomposes them. */
export const decomposedOps: readonly OpName[] = compositesWithout(tensorflowLowering)
