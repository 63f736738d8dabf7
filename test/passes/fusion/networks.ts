/** Real networks before and after fusion, as a backend with code generation receives them. */
import { crossEntropy, efficientNet, rmsprop, trainingStep } from '../../../src/index.ts'
import type { Model } from '../../../src/ir/model.ts'
import { opDef } from '../../../src/ir/ops/index.ts'
import { genericTarget, type TargetInfo } from '../../../src/ir/target.ts'
import type { Graph } from '../../../src/ir/types.ts'
import { decompose } from '../../../src/passes/decompose.ts'
import { fusion } from '../../../src/passes/fusion/index.ts'
import { pipeline } from '../../../src/passes/pipeline.ts'
import { inferencePipeline, trainingPipeline } from '../../../src/passes/standard-pipelines.ts'
import { graphOf, programOf } from '../../../src/passes/program.ts'
import { runPipeline } from '../../../src/passes/runner.ts'
import { stepOptionsOf } from '../../../src/passes/train/declaration.ts'

const backend = { legalize: [decompose((node) => opDef(node.op).level === 'composite')], fuse: [] }
const switches = { simplify: true, fusion: true }

/** The graph of a step before fusion. */
export const preparedGraph = (model: Model, batch: number, target: TargetInfo = genericTarget): Graph => {
  const step = stepOptionsOf(model)
  const passes = step === null ? inferencePipeline(backend, switches) : trainingPipeline(backend, switches, step)
  return graphOf(runPipeline(passes, programOf(model.at({ batch })), { target }).program)
}

export const fused = (graph: Graph, target: TargetInfo = genericTarget): Graph =>
  graphOf(runPipeline(pipeline([fusion]), programOf(graph), { target, verify: true, stage: 'fused' }).program)

export const trainingOf = (name: 'b0' | 'b7'): Model =>
  trainingStep(efficientNet(name), {
    loss: crossEntropy({ labelSmoothing: 0.1 }),
    optimizer: rmsprop({ learningRate: 0.01 }),
    emaDecay: 0.9999,
  })
