/** Writes the files of a SavedModel from programs: `saved_model.pb`, and the values of its variables. */
import { mkdir, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { create, toBinary } from '@bufbuild/protobuf'
import { writeFileAtomic } from '#platform'
import type { Backend, Store } from '../../backends/backend.ts'
import { TensorflowContext } from '../../backends/tensorflow/context.ts'
import { errorOf, TensorflowFailure } from '../../backends/tensorflow/errors.ts'
import { halfKernelsOf } from '../../backends/tensorflow/half-kernels.ts'
import type { TfTensor } from '../../backends/tensorflow/memory.ts'
import { SavedModelSchema } from '../../backends/tensorflow/proto/tensorflow_pb.ts'
import { type EffuseError, invariant } from '../../ir/diagnostics.ts'
import { fileError } from '../../platform/node-file-error.ts'
import { writeFolder } from '../../platform/node-new-folder.ts'
import type { CompiledSignature } from './compile-signatures.ts'
import type { SavedModelReport } from './export-saved-model.ts'
import { GraphWriter } from './graph-writer.ts'
import { planSignatures, type PlannedValue, type SignatureToPlan } from './plan-signatures.ts'
import { saveVariables } from './save-variables.ts'
import { addSignature } from './signature.ts'
import { StoredVariables } from './stored-variables.ts'
import { withValues } from './saved-values.ts'

interface Target {
  readonly folder: string
  readonly force: boolean
  readonly runIndex: number
  readonly seed: number
}

/** @throws EffuseError EF405, EF409, EF501 */
export const writeSavedModel = async (
  backend: Backend,
  compiled: readonly CompiledSignature[],
  { folder, force, runIndex, seed }: Target,
): Promise<SavedModelReport> => {
  const context = backend.device
  invariant(context instanceof TensorflowContext, () => 'a SavedModel is written by the TensorFlow backend')
  const halfKernels = halfKernelsOf(context)
  const plans: SignatureToPlan[] = []
  for (const signature of compiled) plans.push({ ...signature, halfKernels: await halfKernels(signature.program) })
  const { signatures, values } = planSignatures(plans, { runIndex, seed })
  const graph = new GraphWriter()
  const variables = new StoredVariables(graph, values)
  const added = signatures.map((plan) => [plan.name, addSignature(graph, plan, variables)] as const)
  const saver = values.length === 0 ? null : variables.addSaver()
  const savedModel = create(SavedModelSchema, {
    savedModelSchemaVersion: 1n,
    metaGraphs: [
      {
        metaInfoDef: { tags: ['serve'], tensorflowVersion: context.api.version },
        graphDef: graph.finish(),
        signatureDef: Object.fromEntries(added.map(([name, { definition }]) => [name, definition])),
        ...(saver === null ? {} : { saverDef: saver.saver, collectionDef: saver.collections }),
      },
    ],
  })
  let bytes = 0
  await writeFolder(folder, force, async (place) => {
    await mkdir(join(place, 'variables'))
    if (values.length > 0) await saveAll(context, values, compiled[0]?.store as Store<TfTensor>, { place, folder })
    await writeFileAtomic(join(place, 'saved_model.pb'), toBinary(SavedModelSchema, savedModel))
    bytes = await sizeOf(place)
  })
  const shown = added.map(([name, { inputs, outputs }]) => [name, { inputs, outputs }] as const)
  return { folder, signatures: Object.fromEntries(shown), variables: values.map(({ name }) => name), bytes }
}

/** All signatures share one store. File names refer to the final `folder`. */
const saveAll = (
  context: TensorflowContext,
  values: readonly PlannedValue[],
  store: Store<TfTensor>,
  { place, folder }: { readonly place: string; readonly folder: string },
): Promise<void> =>
  store.turn(async (turn) => {
    try {
      await withValues(context, turn, values, (all) =>
        saveVariables(context, join(place, 'variables', 'variables'), all),
      )
    } catch (error) {
      throw error instanceof TensorflowFailure ? writingError(error, folder) : error
    }
  })

/** TensorFlow passes the system's file errors on as text only. */
const systemCodes: readonly (readonly [string, string])[] = [
  ['No space left on device', 'ENOSPC'],
  ['Disk quota exceeded', 'EDQUOT'],
  ['File too large', 'EFBIG'],
]

const writingError = ({ failure }: TensorflowFailure, folder: string): EffuseError => {
  const code = systemCodes.find(([text]) => failure.message.includes(text))?.[1]
  if (code === undefined) return errorOf(failure, null)
  return fileError(Object.assign(new Error(failure.message), { code }), folder, 'write')
}

const sizeOf = async (folder: string): Promise<number> => {
  let bytes = 0
  for (const name of await readdir(folder)) {
    const entry = await stat(join(folder, name))
    bytes += entry.isDirectory() ? await sizeOf(join(folder, name)) : entry.size
  }
  return bytes
}
