/** The lowering of each op for tfjs. A missing op is a type error, except for composites. */
import { opNames } from '../../ir/ops/index.ts'
import type { OpName } from '../../ir/signatures.ts'
import type { Node } from '../../ir/types.ts'
import { missingPass } from '../common/missing-pass.ts'
import type { Lowering, LoweringTable } from './lowering.ts'
import { contractionLowering } from './lower/contraction.ts'
import { elementwiseLowering } from './lower/elementwise.ts'
import { modelLowering } from './lower/model-form.ts'
import { movementLowering } from './lower/movement.ts'
import { poolingLowering } from './lower/pooling.ts'
import { reductionLowering } from './lower/reduction.ts'
import { lowerFusion } from './lower/fusion.ts'
import { lowerComposite } from './lower/users-kernel.ts'
import { lowerByReference } from './lower/shared.ts'
import { trainingLowering } from './lower/training.ts'
import { sourceLowering } from './lower/source.ts'
import type { Device } from './device.ts'
import type { Planner } from './planner.ts'
import type { View } from './view.ts'
import { webgpuLowering } from './webgpu/table.ts'

export const tfjsLowering: LoweringTable = {
  ...sourceLowering,
  ...elementwiseLowering,
  ...movementLowering,
  ...reductionLowering,
  ...contractionLowering,
  ...poolingLowering,
  // No kernels of composites but those for training. tfjs-wasm's FusedBatchNorm, for example, is slower than the product and the sum.
  ...modelLowering,
  ...trainingLowering,
  fusion: lowerFusion,
  composite: lowerComposite,
}

/** WebGPU has its own table, because JavaScript cannot access its memory. */
const tableFor = ({ kind }: Device): LoweringTable => (kind === 'webgpu' ? webgpuLowering : tfjsLowering)

/** Ops that legalize decomposes; composites only if no user provides a kernel. */
export const decomposedOps = (device: Device): readonly OpName[] =>
  opNames.filter((op) => op === 'composite' || tableFor(device)[op] === undefined)
/** Ops that run as a loop over memory. Legalize decomposes them if that is better on a device. */
export const loopOps: readonly OpName[] = opNames.filter((op) => {
  const lowering = tfjsLowering[op]
  return typeof lowering === 'object' && 'inMemory' in lowering
})

/** Adds the steps of one node. @throws EffuseError EF405 if the device cannot run it */
export const lowerNode = (node: Node, inputs: readonly View[], planner: Planner): readonly View[] => {
  const lowering = tableFor(planner.device)[node.op] as Lowering<'add'> | undefined // the entry is for the node's op; TypeScript does not correlate them
  if (lowering === 'host') return lowerByReference(node, inputs, planner)
  if (lowering === undefined) {
    const { reason, hint } = missingPass(node.op)
    throw planner.unsupported(reason, hint)
  }
  if (typeof lowering === 'object' && 'unsupported' in lowering)
    throw planner.unsupported(lowering.unsupported, lowering.hint)
  const lower = typeof lowering === 'object' ? lowering.inMemory : lowering
  return lower({ node, attrs: node.attrs, inputs, types: node.types, planner } as Parameters<typeof lower>[0])
}
