/** exportSavedModel(): exports models and their variables to TensorFlow. It makes no decisions; each step has its own file. */
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
  /** The start position of the signatures in their random streams: the `runIndex` of an executable. Default 0. */
  readonly runIndex?: number | undefined
  /** Replaces a folder that is not empty. Default false. */
  readonly force?: boolean | undefined
}

/** A model, optionally with its own batch size. */
export type SavedModelSignature = Model | { readonly model: Model; readonly batch?: number | undefined }

export interface SavedModelReport {
  readonly folder: string
  readonly signatures: {
    readonly [name: string]: {
      readonly inputs: { readonly [name: string]: Type }
      readonly outputs: { readonly [name: string]: Type }
    }
  }
  /** The names of the variables in the files. */
  readonly variables: readonly string[]
  /** The size of all files. */
  readonly bytes: number
}

/**
 * Writes a SavedModel for TensorFlow: Python (`tf.saved_model.load`), TensorFlow Serving and the C API. All sizes are fixed, including the batch.
 *
 * Each signature is a function with the inputs and outputs of its model. Values that a model updates are variables of the SavedModel: each call of a
 * training step changes them, for all signatures. A single model becomes the signature `serving_default`.
 *
 * @param folder Must not exist, or be empty. It gets its name when it is complete.
 * @param signatures A model, or models by the names of their signatures. They share variables of the same name.
 * @param options `variables`: the variables of another executable, or weights to load, as for compile(). A file of weights must belong to the first
 * signature. Without this option, the variables have the initial values of `seed`.
 * @throws EffuseError EF404 without TensorFlow, with the command that adds it; EF501 (folder, disk); EF403 (options); EF405; otherwise as compile().
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
  // Loaded on demand, because programs that use effuse/node for other purposes do not need it.
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

/**
 * One backend for all exports, because TensorFlow keeps threads for each backend. No executable shares it, so the declarations of an export do not
 * affect executables.
 */
const openBackend = (): Promise<Backend> => {
  opened ??= import('../../backends/tensorflow/index.ts')
    .then(({ createTensorflowBackend }) => createTensorflowBackend())
    .catch((error: unknown) => {
      opened = null // a later call may find TensorFlow installed
      throw error
    })
  return opened
}

const checks: { readonly [K in keyof Required<ExportSavedModelOptions>]: Check } = {
  batch: count,
  runIndex: natural,
  force: flag,
  // compile() checks these options.
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
