import type { Command } from 'commander'
import { compile } from '../../compile.ts'
import { damageOf } from '../../data/damaged.ts'
import { listImages } from '../../data/picture-files.ts'
import { readImage } from '../../data/read-image.ts'
import type { Executable } from '../../executable/executable.ts'
import { configuredBackend, type TensorflowFlags, withTensorflowFlags } from '../tensorflow-flags.ts'
import { type ExecutionFlags, withExecutionFlags, withExecutionOptions } from '../execution-flags.ts'
import { EffuseError } from '../../ir/diagnostics.ts'
import { escaped } from '../../ir/escaped.ts'
import type { Model } from '../../ir/model.ts'
import type { EfficientNet } from '../../models/efficientnet.ts'
import { top, type TopEntry } from '../../models/top.ts'
import { formats } from '../../models/import/conventions.ts'
import { choiceOf, compileOptionsOf, naturalOf, sizeFlag, withCommon, type CommonOptions } from '../common.ts'
import { type FixedCrop, fixedCrops } from '../../pixels/box.ts'
import type { Io } from '../io.ts'
import { openWeights, type WeightsByPath, type WeightsFlags, withWeightsFlags } from '../open-weights.ts'

interface Options extends CommonOptions, ExecutionFlags, TensorflowFlags, WeightsFlags {
  readonly weights?: string
  readonly model?: string
  readonly top: string
  readonly crop?: string
  readonly size?: string
}

/** @param end Sets the exit code if some of the pictures could not be read. */
export const addPredict = (program: Command, io: Io, end: (exitCode: number) => void): void => {
  const command = withCommon(program.command('predict').description('classify pictures'))
  withWeightsFlags(withTensorflowFlags(withExecutionFlags(command)))
    .argument('<files...>', 'pictures, or folders of pictures; hidden folders and node_modules inside are left out')
    .option(
      '--weights <file>',
      "a run's folder (its best checkpoint), or weights: effuse's, timm's or torchvision's safetensors, a PyTorch .pth",
    )
    .option('--format <name>', `origin of the weights, if the file does not name it: ${formats.join(', ')}`)
    .option('--model <module>', "your own model, ./net.js#name, for weights outside of a run's folder")
    .option('--top <k>', 'number of classes to print', '5')
    .option('--crop <how>', 'center, or none (whole pictures); default: as in the tests of the run, else center')
    .option('--size <pixels>', 'height and width; default: the size of the training')
    .action((files: readonly string[], options: Options) => predict(files, options, io, end))
}

const predict = async (
  files: readonly string[],
  options: Options,
  io: Io,
  end: (exitCode: number) => void,
): Promise<void> => {
  if (options.weights === undefined) {
    throw new EffuseError({
      code: 'EF601',
      message: 'predict needs trained weights: --weights FILE; an untrained network would only guess',
      hint: 'weights of timm or torchvision, or a run of effuse train',
    })
  }
  const k = naturalOf('--top', options.top, 1)
  const crop = options.crop === undefined ? undefined : choiceOf('--crop', options.crop, fixedCrops)
  const size = sizeFlag(options.size)
  const failed: Failure[] = []
  const onNotice = (notice: string): void => io.err(`note: ${notice}`)
  const pictures = await picturesOf(files, onNotice, (failure) => {
    io.err(`error ${failure.error.code}: ${failure.error.message}`)
    failed.push(failure)
  })
  const opened = await openWeights(options.weights, {
    prefer: 'best',
    ...{ format: options.format, averages: options.averages, verify: options.verify },
    model: options.model,
    size,
  })
  for (const note of opened.notes) io.err(`note: ${note}`)
  const prepare = preparationOf(opened, crop)
  const model = opened.model as EfficientNet // preparationOf() has checked its inputs and outputs
  const common = withExecutionOptions(compileOptionsOf(options), options)
  const backend = await configuredBackend(common.backend, options)
  using net = await compile(model, { ...common, backend, variables: await opened.weights() })
  if (options.json !== true)
    io.out(`${model.name} at ${prepare.size.join('x')} on ${net.backend} (${net.backendReason})\n`)
  const results: { readonly file: string; readonly top: readonly TopEntry[] }[] = []
  let ms = 0
  for (const file of pictures) {
    const image = await prepare.read(file).catch((error: unknown) => failureOf(error, file))
    if (!(image instanceof Uint8Array)) {
      if (pictures.length + failed.length === 1) throw image.error
      io.err(`error ${image.error.code}: ${image.error.message}`)
      failed.push(image)
      continue
    }
    const start = performance.now()
    const values = await probabilitiesOf(net, image)
    ms += performance.now() - start
    const best = top(values, k, opened.labels.length === 0 ? undefined : opened.labels)
    results.push({ file, top: best })
    if (options.json !== true) io.out(told(file, best))
  }
  if (failed.length > 0) end(1)
  if (options.json === true) {
    const faults = failed.map(({ file, error: { code, message } }) => ({ file, code, message }))
    return io.out(JSON.stringify({ backend: net.backend, ms, results, failed: faults }, null, 2))
  }
  io.out(
    `${countOf(results.length)} in ${ms.toFixed(0)} ms on ${net.backend}, including the preparation of the first run.`,
  )
  if (failed.length > 0) io.out(`${countOf(failed.length)} could not be read.`)
}

const probabilitiesOf = async (
  net: Executable<EfficientNet['inputs'], EfficientNet['outputs']>,
  image: Uint8Array,
): Promise<ArrayLike<number>> => {
  const outputs = await net.run({ image })
  const values = await outputs.probabilities.data()
  for (const output of Object.values(outputs)) output.dispose() // the user's own model may have more outputs
  return values
}

const told = (file: string, best: readonly TopEntry[]): string =>
  [
    escaped(file),
    ...best.map((b) => `  ${(b.probability * 100).toFixed(1).padStart(5)} %  ${escaped(b.label)}`),
    '',
  ].join('\n')

const countOf = (n: number): string => `${n} picture${n === 1 ? '' : 's'}`

/** A picture that cannot be read. If there are others, it is reported, and the others are classified. */
interface Failure {
  readonly file: string
  readonly error: EffuseError
}

/** The pictures that the arguments name. An argument without pictures is reported if others have some. @throws EffuseError the first error if no argument has pictures */
const picturesOf = async (
  files: readonly string[],
  onNotice: (notice: string) => void,
  tell: (failure: Failure) => void,
): Promise<readonly string[]> => {
  const found: string[] = []
  const failures: Failure[] = []
  for (const file of files)
    try {
      found.push(...(await listImages([file], { onNotice })))
    } catch (error) {
      if (!(error instanceof EffuseError)) throw error
      failures.push({ file, error })
    }
  const [first] = failures
  if (found.length === 0 && first !== undefined) throw first.error
  failures.forEach(tell)
  return found
}

/** @throws errors that are not faults of the file */
const failureOf = (error: unknown, file: string): Failure => {
  if (error instanceof EffuseError && damageOf(error, file) !== null) return { file, error }
  throw error
}

interface Preparation {
  readonly size: readonly [height: number, width: number]
  readonly read: (file: string) => Promise<Uint8Array<ArrayBuffer>>
}

/** How pictures become the input of a network. @throws EffuseError EF402 if it takes no pictures with one or three channels */
const preparationOf = ({ model, crop: own }: WeightsByPath, wanted: FixedCrop | undefined): Preparation => {
  const [height, width, channels] = pictureShape(model)
  const crop = wanted ?? own
  return { size: [height, width], read: (file) => readImage(file, { size: [height, width], crop, channels }) }
}

const pictureShape = ({ name, inputs, outputs }: Model): readonly [number, number, 1 | 3] => {
  const { image } = inputs
  const [, height, width, channels] = image?.shape ?? []
  if (
    typeof height === 'number' &&
    typeof width === 'number' &&
    (channels === 1 || channels === 3) &&
    outputs['probabilities'] !== undefined
  )
    return [height, width, channels]
  throw new EffuseError({
    code: 'EF402',
    message: `predict needs a model from "image" [batch,height,width,1 or 3] to "probabilities"; ${name} takes ${Object.entries(
      inputs,
    )
      .map(([key, { shape }]) => `"${key}" [${shape.join(',')}]`)
      .join(', ')} and gives ${Object.keys(outputs).join(', ')}`,
  })
}
