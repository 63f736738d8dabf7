/** exportOnnx(): exports a model and its weights as an ONNX file. */
import type { Backend } from '../../backends/backend.ts'
import { referenceBackend } from '../../backends/reference/index.ts'
import { compile } from '../../compile.ts'
import type { CompileOptions } from '../../executable/options.ts'
import { variablesReadBy } from '../../ir/graph.ts'
import { modelMetadata } from '../../ir/metadata.ts'
import type { Model } from '../../ir/model.ts'
import { genericTarget, type TargetInfo } from '../../ir/target.ts'
import { derivedVariables, graphSteps } from '../../passes/program.ts'
import { checkInference, onnxGraphOf } from './encode.ts'
import { recording } from '../recorded-program.ts'
import { encodeModel, onnxOpset } from './model-proto.ts'
import { legalizeForOnnx } from './table.ts'

export interface ExportOnnxOptions
  extends Pick<CompileOptions, 'batch' | 'amp' | 'xla' | 'variables' | 'passes' | 'seed' | 'verify' | 'signal'> {
  /** Key-value pairs that are written into the file in addition to the model's own facts. */
  readonly metadata?: { readonly [key: string]: string } | undefined
}

/**
 * Exports a model for inference as an ONNX file (operators of opset 18). The inference passes run first: batch norms are folded, and weights are
 * stored in the layout of ONNX. Inputs and outputs have the names, dtypes and shapes of the model; images stay [N,H,W,C] and are transposed inside.
 * The batch size is fixed.
 *
 * @param options `variables`: the variables of another executable, or weights to load, as for compile(); without them, the initial values of `seed`.
 * @returns The bytes of the file.
 * @throws EffuseError EF405 for a training step, and for an op that ONNX cannot express; EF501 above 2 GiB; otherwise as compile().
 * @example
 * const bytes = await exportOnnx(efficientNet('b0', { resolution: 64, classes: 10 }), { batch: 8 })
 */
export const exportOnnx = async (model: Model, options: ExportOnnxOptions = {}): Promise<Uint8Array<ArrayBuffer>> => {
  const { metadata = {}, ...compiled } = options
  const { backend, last } = recording(onnxBackend())
  using _net = await compile(model, { ...compiled, backend })
  const { program, store, nameOf } = last()
  checkInference(program)
  const derived = derivedVariables(program)
  const names = [...new Set(graphSteps(program).flatMap(({ graph }) => variablesReadBy(graph)))]
    .map(({ attrs: { name } }) => name)
    .filter((name) => !derived.has(name))
  const values = await store.read(names.map(nameOf))
  const weights = new Map(names.flatMap((name) => [[name, values.get(nameOf(name)) ?? []] as const]))
  return encodeModel(onnxGraphOf(program, weights), {
    description: `${model.name}, opset ${onnxOpset}`,
    metadata: { ...modelMetadata(model), ...metadata },
  })
}

/** It never runs. It selects the passes for a program that is exported to ONNX. */
const onnxBackend = (): Backend => ({
  ...(referenceBackend() as Backend),
  name: 'onnx',
  target: onnxTarget,
  legalize: legalizeForOnnx,
})

/** What ONNX can express. It cannot express half operands with a float32 result. */
export const onnxTarget: TargetInfo = { ...genericTarget, name: 'onnx', wideOutputs: false, fusions: [], exactOps: [] }
