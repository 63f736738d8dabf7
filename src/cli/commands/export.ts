import { writeFileAtomic } from '#platform'
import type { Command } from 'commander'
import { exportOnnx } from '../../export/onnx/export-onnx.ts'
import { onnxOpset } from '../../export/onnx/model-proto.ts'
import type { CompileOptions } from '../../executable/options.ts'
import { EffuseError } from '../../ir/diagnostics.ts'
import { inputTypes, typeOf } from '../../ir/graph.ts'
import type { Model } from '../../ir/model.ts'
import { showType, type Type } from '../../ir/types.ts'
import { formats as weightFormats } from '../../models/import/conventions.ts'
import {
  choiceOf,
  compileOptionsOf,
  isVariant,
  modelByName,
  naturalOf,
  sizeFlag,
  withCommon,
  type CommonOptions,
} from '../common.ts'
import { type Io, thousands } from '../io.ts'
import { openWeights, withWeightsFlags, type WeightsFlags } from '../open-weights.ts'

interface Options extends CommonOptions, Omit<WeightsFlags, 'format'> {
  readonly format: string
  readonly model?: string
  readonly weights?: string
  readonly weightsFormat?: string
  readonly batch: string
  readonly size?: string
  readonly classes?: string
  readonly output: string
}

const fileFormats = ['onnx'] as const

export const addExport = (program: Command, io: Io): void => {
  withWeightsFlags(withCommon(program.command('export').description('write a model and its weights for other tools')))
    .requiredOption('--format <name>', `${fileFormats.join(', ')}: ONNX, opset ${onnxOpset}, for inference`)
    .requiredOption('-o, --output <file>', 'the file to write')
    .option('--model <name>', 'b0 to b7, lite0 to lite4, or your own ./net.js#name; default: what the weights are of')
    .option('--weights <file>', "a run's folder, or a file of weights; default: initial values")
    .option(
      '--weights-format <name>',
      `origin of the weights, if the file does not name it: ${weightFormats.join(', ')}`,
    )
    .option('--batch <n>', 'batch size, which the file fixes', '1')
    .option('--size <pixels>', "height and width; default: the weights', else the variant's own")
    .option('--classes <n>', 'number of classes of a variant without weights; default: 1000')
    .action(async (options: Options) => {
      choiceOf('--format', options.format, fileFormats)
      const batch = naturalOf('--batch', options.batch, 1)
      const { model, variables } = await modelOf(options, io)
      const { amp, xla, seed } = compileOptionsOf(options)
      const bytes = await exportOnnx(model, { batch, amp, xla, seed, variables })
      await writeFileAtomic(options.output, bytes)
      const graph = model.at({ batch })
      const inputs = [...inputTypes(graph)].map(([name, type]) => ({ name, ...type }))
      const outputs = graph.outputs.map(({ name, value }) => ({ name, ...typeOf(graph, value) }))
      const { format, output: file } = options
      if (options.json === true)
        io.out(
          JSON.stringify(
            { file, format, opset: onnxOpset, model: model.name, batch, inputs, outputs, bytes: bytes.length },
            null,
            2,
          ),
        )
      else
        io.out(
          `${file}: ${model.name}, ONNX opset ${onnxOpset}, ${thousands(bytes.length)} bytes\n  ${listed(inputs)} -> ${listed(outputs)}`,
        )
    })
}

const listed = (values: readonly (Type & { readonly name: string })[]): string =>
  values.map((value) => `${value.name} ${showType(value)}`).join(', ')

const modelOf = async (
  { model: name, weights, weightsFormat, averages, verify, size, classes }: Options,
  io: Io,
): Promise<{ readonly model: Model; readonly variables: CompileOptions['variables'] }> => {
  const resolution = sizeFlag(size)
  if (weights === undefined) {
    if (name === undefined)
      throw new EffuseError({
        code: 'EF601',
        message: "export needs --model, or --weights with a run's folder or a file of weights",
      })
    if (!isVariant(name) && (resolution !== undefined || classes !== undefined))
      throw new EffuseError({
        code: 'EF601',
        message: `--size and --classes are of the variants of EfficientNet; ${name} has its own`,
      })
    io.err('note: without --weights the file has initial values')
    const count = classes === undefined ? undefined : naturalOf('--classes', classes, 1)
    return { model: await modelByName(name, { resolution, classes: count }), variables: undefined }
  }
  if (classes !== undefined)
    throw new EffuseError({
      code: 'EF601',
      message: '--classes goes without --weights: weights have their own classes',
    })
  const isOwn = name !== undefined && !isVariant(name)
  const opened = await openWeights(weights, {
    prefer: 'best',
    ...{ format: weightsFormat, averages, verify },
    model: isOwn ? name : undefined,
    size: resolution,
  })
  for (const note of opened.notes) io.err(`note: ${note}`)
  if (name !== undefined && !isOwn && opened.model.name !== `efficientnet-${name}`)
    throw new EffuseError({
      code: 'EF601',
      message: `--model is ${name}, and the weights are of ${opened.model.name}`,
      hint: 'leave --model out',
    })
  return { model: opened.model, variables: await opened.weights() }
}
