/** Selects the network and the weights that `effuse export` writes. */
import type { CompileOptions } from '../../executable/options.ts'
import { EffuseError } from '../../ir/diagnostics.ts'
import type { Model } from '../../ir/model.ts'
import { isVariant, modelByName, naturalOf, sizeFlag } from '../common.ts'
import type { Io } from '../io.ts'
import { openWeights, type WeightsFlags } from '../open-weights.ts'

export interface ExportedModelFlags extends Omit<WeightsFlags, 'format'> {
  readonly model?: string
  readonly weights?: string
  readonly weightsFormat?: string
  readonly size?: string
  readonly classes?: string
}

/** The model with its variables; undefined: initial values. @throws EffuseError EF601 if flags contradict one another, EF602, EF501 to EF509 */
export const modelToExport = async (
  { model: name, weights, weightsFormat, averages, verify, size, classes }: ExportedModelFlags,
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
        message: `--size and --classes are for variants of EfficientNet; ${name} declares its own`,
      })
    io.err('note: without --weights the file has initial values')
    const count = classes === undefined ? undefined : naturalOf('--classes', classes, 1)
    return { model: await modelByName(name, { resolution, classes: count }), variables: undefined }
  }
  if (classes !== undefined)
    throw new EffuseError({
      code: 'EF601',
      message: '--classes cannot be used with --weights: the weights determine the classes',
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
      message: `--model is ${name}, but the weights are of ${opened.model.name}`,
      hint: 'leave --model out',
    })
  return { model: opened.model, variables: await opened.weights() }
}
