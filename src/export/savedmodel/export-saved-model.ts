/** exportSavedModel(): models and their variables for TensorFlow. Decides nothing itself; the steps have files of their own. */
import { checkRecord, count, flag, isObject, natural, unchecked, type Check } from '../../ir/check-record.ts'
import type { Backend } from '../../backends/backend.ts'
import type { CompileOptions } from '../../executable/options.ts'
import { EffuseError, showGiven } from '../../ir/diagnostics.ts'
import { checkModel, type Model } from '../../ir/model.ts'
import type { Type } from '../../ir/types.ts'
import { checkNewFolder } from '../../platform/node-new-folder.ts'
import type { NamedModel } from './compile-signatures.ts'

export interface ExportSavedModelOptions
  extends Pick<CompileOptions, 'batch' | 'amp' | 'xla' | 'variables' | 'passes' | 'seed' | 'verify' | 'signal'> {
  /** Where the signatures begin in their random streams: an executable's `runIndex`. Default 0. */
  readonly runIndex?: number | undefined
  /** Replace a folder that is not empty. Default false. */
  readonly force?: boolean | undefined
}

/** A model, or with a batch size of its own. */
export type SavedModelSignature = Model | { readonly model: Model; readonly batch?: number | undefined }

export interface SavedModelReport {
  readonly folder: string
  readonly signatures: {
    readonly [name: string]: {
      readonly inputs: { readonly [name: string]: Type }
      readonly outputs: { readonly [name: string]: Type }
    }
  }
  /** Names, as the files of variables have them. */
  readonly variables: readonly string[]
  /** Of all files. */
  readonly bytes: number
}

/**
 * Writes a SavedModel for TensorFlow: Python (`tf.saved_model.load`), TensorFlow Serving and the C API. Sizes are fixed, the batch too.
 *
 * Each signature is a function with the inputs and outputs of its model. What a model updates are variables there: each call of a training step
 * changes them, for all signatures. A single model is the signature `serving_default`.
 *
 * @param folder Must not exist, or be empty; it gets its name when it is complete.
 * @param signatures A model, or models by the names of signatures, which share variables of the same name.
 * @param options `variables`: another executable's, or weights to load, as for compile(); a file of weights must be of the first signature.
 * Without them the variables have the initial values of `seed`.
 * @throws EffuseError EF404 without TensorFlow, with the command that adds it; EF501 (folder, disk); EF403 (options); EF405; else as compile().
 * @example
 * const step = trainingStep(model, { loss: crossEntropy(), optimizer: sgd({ learningRate: 0.1 }) })
 * await exportSavedModel('saved', { serving_default: model, train: { model: step, batch: 32 } }, { variables: net.variables })
 */
export const exportSavedModel = async (
  folder: string,
  signatures: Model | { readonly [name: string]: SavedModelSignature },
  options: ExportSavedModelOptions = {},
): Promise<SavedModelReport> => {
  checkRecord('exportSavedModel()', '', options, checks)
  const { batch = 1, force = false, runIndex = 0, ...compiled } = options
  const models = namedModels(signatures, batch)
  await checkNewFolder(folder, force)
  // Loaded here, because programs that import effuse/node for other things need none of it.
  const { compileSignatures } = await import('./compile-signatures.ts')
  const { writeSavedModel } = await import('./write-saved-model.ts')
  const backend = await openBackend()
  const { plans, dispose } = await compileSignatures(backend, models, compiled)
  try {
    return await writeSavedModel(backend, plans, { folder, force, runIndex, seed: options.seed ?? 0 })
  } finally {
    dispose()
  }
}

let opened: Promise<Backend> | null = null

/** One for all exports, because TensorFlow keeps threads for each. No executable shares it, so what an export declares stays its own. */
const openBackend = (): Promise<Backend> => {
  opened ??= import('../../backends/tensorflow/index.ts')
    .then(({ createTensorflowBackend }) => createTensorflowBackend())
    .catch((error: unknown) => {
      opened = null // it may be installed later
      throw error
    })
  return opened
}

const checks: { readonly [K in keyof Required<ExportSavedModelOptions>]: Check } = {
  batch: count,
  runIndex: natural,
  force: flag,
  // compile() checks them.
  amp: unchecked,
  xla: [
    "true, false or { simplify, fusion }: the program that loads a SavedModel decides whether XLA compiles it, so { tensorflow: 'always' } is not for files",
    (v) => !(isObject(v) && 'tensorflow' in v && v.tensorflow === 'always'),
  ],
  variables: unchecked,
  passes: unchecked,
  seed: unchecked,
  verify: unchecked,
  signal: unchecked,
}

const namedModels = (
  given: Model | { readonly [name: string]: SavedModelSignature },
  batch: number,
): readonly NamedModel[] => {
  if (isModel(given) || !isObject(given)) {
    checkModel('exportSavedModel()', given)
    return [{ name: 'serving_default', model: given, batch }]
  }
  const models = Object.entries(given).map(([name, signature]): NamedModel => {
    checkName(name)
    if (isModel(signature)) return { name, model: signature, batch }
    checkRecord(`the signature "${name}"`, `${name}.`, signature, { model: unchecked, batch: count })
    checkModel(`the signature "${name}"`, signature.model)
    return { name, model: signature.model, batch: signature.batch ?? batch }
  })
  if (models.length === 0) throw new EffuseError({ code: 'EF403', message: 'a SavedModel needs a signature, got none' })
  return models
}

const isModel = (value: unknown): value is Model => isObject(value) && 'at' in value && typeof value.at === 'function'

const checkName = (name: string): void => {
  if (/^[A-Za-z][A-Za-z0-9_]*$/.test(name)) return
  throw new EffuseError({
    code: 'EF403',
    message: `the name of a signature must be a letter with letters, digits and _ after it, got ${showGiven(name)}`,
    hint: 'serving_default, train, evaluate',
  })
}
