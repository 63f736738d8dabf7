/** What `effuse export` writes: a table of formats. */
import { writeFileAtomic } from '#platform'
import { exportOnnx } from '../../export/onnx/export-onnx.ts'
import { onnxOpset } from '../../export/onnx/model-proto.ts'
import { exportSavedModel } from '../../export/savedmodel/export-saved-model.ts'
import type { CompileOptions } from '../../executable/options.ts'
import { inputTypes, typeOf } from '../../ir/graph.ts'
import type { Model } from '../../ir/model.ts'
import { showType, type Type } from '../../ir/types.ts'
import { stepOptionsOf, trainedModelOf } from '../../passes/train/declaration.ts'
import { trainingStepOf } from '../common.ts'
import { thousands } from '../io.ts'

export interface ExportRequest extends Pick<CompileOptions, 'amp' | 'xla' | 'seed' | 'variables'> {
  readonly model: Model
  readonly batch: number
  /** The file or folder. */
  readonly output: string
  readonly train: boolean
  readonly trainBatch: number
  readonly force: boolean
}

export interface Exported {
  /** For --json. */
  readonly report: { readonly [field: string]: unknown }
  /** Without --json. */
  readonly text: string
}

interface Format {
  readonly about: string
  /** Flags that only this format has. */
  readonly flags: readonly ('train' | 'trainBatch' | 'force')[]
  readonly write: (request: ExportRequest) => Promise<Exported>
}

const onnx: Format = {
  about: `ONNX, opset ${onnxOpset}, for inference`,
  flags: [],
  write: async ({ model, batch, output: file, amp, xla, seed, variables }) => {
    const bytes = await exportOnnx(model, { batch, amp, xla, seed, variables })
    await writeFileAtomic(file, bytes)
    const graph = model.at({ batch })
    const inputs = [...inputTypes(graph)].map(([name, type]) => ({ name, ...type }))
    const outputs = graph.outputs.map(({ name, value }) => ({ name, ...typeOf(graph, value) }))
    return {
      report: { file, opset: onnxOpset, model: model.name, batch, inputs, outputs, bytes: bytes.length },
      text: `${file}: ${model.name}, ONNX opset ${onnxOpset}, ${thousands(bytes.length)} bytes\n  ${arrow(inputs, outputs)}`,
    }
  },
}

const savedmodel: Format = {
  about: 'a folder for TensorFlow, with --train also for training',
  flags: ['train', 'trainBatch', 'force'],
  write: async ({ model: given, batch, trainBatch, train, output, force, amp, xla, seed, variables }) => {
    const isStep = stepOptionsOf(given) !== null
    const model = trainedModelOf(given) ?? given
    const step = train || isStep ? { train: { model: trainingStepOf(given), batch: trainBatch } } : {}
    const signatures = { serving_default: { model, batch }, ...step }
    const report = await exportSavedModel(output, signatures, { amp, xla, seed, variables, force })
    const written = Object.entries(report.signatures).map(([name, { inputs, outputs }]) => ({
      name,
      inputs: listOf(inputs),
      outputs: listOf(outputs),
    }))
    const { folder, bytes } = report
    const variableCount = report.variables.length
    return {
      report: { folder, model: model.name, signatures: written, variables: variableCount, bytes },
      text: [
        `${folder}: ${model.name}, SavedModel, ${thousands(bytes)} bytes, ${thousands(variableCount)} variables`,
        ...written.map(({ name, inputs, outputs }) => `  ${name}: ${arrow(inputs, outputs)}`),
      ].join('\n'),
    }
  },
}

export const exportFormats = { onnx, savedmodel } as const satisfies { readonly [name: string]: Format }
export const exportFormatNames = Object.keys(exportFormats) as readonly (keyof typeof exportFormats)[] // those of the table

type Named = Type & { readonly name: string }

const listOf = (types: { readonly [name: string]: Type }): readonly Named[] =>
  Object.entries(types).map(([name, type]) => ({ name, dtype: type.dtype, shape: type.shape }))

const arrow = (inputs: readonly Named[], outputs: readonly Named[]): string =>
  [inputs, outputs].map((values) => values.map((value) => `${value.name} ${showType(value)}`).join(', ')).join(' -> ')
