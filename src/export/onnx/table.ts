/** The table of lowerings to ONNX. */
import type { TrainingOps } from '../../ir/signatures.ts'
import type { Node } from '../../ir/types.ts'
import { compositesWithout, decomposeOps } from '../../passes/decompose.ts'
import { compositeLowering, isKeptWhole, modelLowering } from './lower/composite.ts'
import { contractionLowering } from './lower/contraction.ts'
import { elementwiseLowering } from './lower/elementwise.ts'
import { movementLowering } from './lower/movement.ts'
import { poolingLowering } from './lower/pooling.ts'
import { reductionLowering } from './lower/reduction.ts'
import { sourceLowering } from './lower/source.ts'
import { type Lowering, type LoweringTable, unsupported } from './lowering.ts'
import type { Held, Planner } from './planner.ts'

const ofTraining = unsupported('it belongs to a training step; a file for inference has none')

const trainingLowering: { readonly [K in keyof TrainingOps]: Lowering<K> } = {
  rmsprop: ofTraining,
  sgd: ofTraining,
  adam: ofTraining,
  ema: ofTraining,
  allFinite: ofTraining,
  lossScaleUpdate: ofTraining,
}

export const onnxLowering: LoweringTable = {
  ...sourceLowering,
  ...elementwiseLowering,
  ...movementLowering,
  ...reductionLowering,
  ...contractionLowering,
  ...poolingLowering,
  ...modelLowering,
  ...compositeLowering,
  ...trainingLowering,
  fusion: unsupported("only backends fuse ops; the export's pipeline does not"),
}

/** The passes that keep ops with an own lowering. */
export const legalizeForOnnx = [
  decomposeOps(compositesWithout(onnxLowering)),
  // Only for shapes and dtypes that the ONNX operator does not support.
  decomposeOps(['batchNormInference'], { isKept: isKeptWhole }),
]

/** Adds the ONNX nodes of an IR node. @throws EffuseError EF405 where ONNX cannot express it */
export const lowerNode = (
  node: Node,
  inputs: readonly Held[],
  plan: Planner,
  isOnlyUse: (index: number) => boolean,
): readonly Held[] => {
  // The entry belongs to this op; TypeScript cannot relate the two.
  const lowering = (onnxLowering[node.op] as Lowering<'add'> | undefined) ?? unsupported('it has no lowering yet')
  if (typeof lowering === 'object')
    throw plan.unsupported(`${node.op} cannot be exported to ONNX: ${lowering.unsupported}`)
  return lowering({ node, attrs: node.attrs, inputs, types: node.types, plan, isOnlyUse } as Parameters<
    typeof lowering
  >[0])
}
