/** Checkpoints of a run: one safetensors file with everything that resuming or predicting needs. */
import { modelMetadata } from '../ir/metadata.ts'
import { readVerified } from '../io/checksums.ts'
import { cropKey, labelsKey, trainingKey } from '../io/own-metadata.ts'
import { stepName, stepNames } from '../io/run-files.ts'
import { type TensorEntry, toInt32 } from '../io/tensor-entry.ts'
import { EffuseError } from '../ir/diagnostics.ts'
import { listed } from '../ir/listed.ts'
import type { Model } from '../ir/model.ts'
import type { CheckpointStore } from './checkpoint-store.ts'
import type { FitOptions } from './fit-options.ts'
import { countersOf, parseState, type RunConfiguration, type RunState, stateText } from './run-state.ts'

/** Metadata in files of a run's variables: the model, the classes, how pictures are cropped, and the run's position. */
export const runMetadata = (
  model: Model,
  state: RunState,
  configuration: RunConfiguration,
  { data, metadata }: Pick<FitOptions, 'data' | 'metadata'>,
): { readonly [key: string]: string } => ({
  ...metadata,
  ...modelMetadata(model),
  ...(data.train.crop === undefined ? {} : { [cropKey]: data.train.crop }),
  [labelsKey]: JSON.stringify(configuration.classes),
  [trainingKey]: stateText(state, configuration),
})

/** Writes a numbered checkpoint, then removes the oldest beyond `keep`. */
export const writeCheckpoint = async (
  store: CheckpointStore,
  step: number,
  bytes: Uint8Array,
  keep: number,
): Promise<string> => {
  const name = stepName(step)
  await store.write(name, bytes)
  for (const old of stepNames(await store.list()).slice(keep)) await store.remove(old)
  return name
}

export interface FoundCheckpoint {
  readonly name: string
  readonly bytes: Uint8Array
  readonly state: RunState
  readonly configuration: RunConfiguration
}

/**
 * The latest readable checkpoint; null if the store has no checkpoint. Damaged checkpoints are reported and skipped.
 * @throws EffuseError EF508 if there are checkpoints and none can be read.
 */
export const latestCheckpoint = async (
  store: CheckpointStore,
  onDamaged: (message: string) => void,
): Promise<FoundCheckpoint | null> => {
  const names = stepNames(await store.list())
  const faults: string[] = []
  for (const name of names) {
    try {
      return { name, ...decodeCheckpoint(await store.read(name), name) }
    } catch (error) {
      if (!(error instanceof EffuseError)) throw error
      faults.push(`${name}: ${error.message}`)
      onDamaged(`the checkpoint ${name} in ${store.label} cannot be used and is skipped: ${error.message}`)
    }
  }
  if (faults.length === 0) return null
  throw new EffuseError({
    code: 'EF508',
    message: `none of the ${faults.length} checkpoints in ${store.label} can be read:${listed(faults)}`,
    hint: 'start a new run without resume, in another folder',
  })
}

/** @throws EffuseError EF503, EF509 (damaged), EF508 (not of a run, or its state is damaged) */
const decodeCheckpoint = (bytes: Uint8Array, name: string): Omit<FoundCheckpoint, 'name'> => {
  const { tensors, metadata } = readVerified(bytes, name)
  const text = metadata.get(trainingKey)
  if (text === undefined)
    throw new EffuseError({ code: 'EF508', message: `${name} contains weights, but not the state of a run` })
  const found = parseState(text)
  const fault = typeof found === 'string' ? found : counterFault(tensors, found.state)
  if (typeof found === 'string' || fault !== null)
    throw new EffuseError({ code: 'EF508', message: `the state of the run in ${name} is damaged: ${fault}` })
  return { bytes, ...found }
}

/** The variables and the state must be from the same moment. */
const counterFault = (tensors: ReadonlyMap<string, TensorEntry>, state: RunState): string | null => {
  for (const [name, wanted] of Object.entries(countersOf(state))) {
    const entry = tensors.get(name)
    const count = entry?.dtype === 'int32' ? toInt32(entry)[0] : undefined
    if (count !== undefined && count !== wanted)
      return `the variable "${name}" is ${count}, but according to the state it must be ${wanted}`
  }
  return null
}

/** The differences between a checkpoint and the run that resumes from it, one line each. */
export const configurationDifferences = (
  was: RunConfiguration,
  now: RunConfiguration,
  isAtEpoch: boolean,
): readonly string[] => {
  const differences = classDifferences(was.classes, now.classes)
  if (was.seed !== now.seed) differences.push(`the seed was ${was.seed} and is ${now.seed}`)
  if (isAtEpoch) return differences
  // In the middle of an epoch, the position in the data is counted in these units.
  for (const key of ['batch', 'accumulate', 'length'] as const)
    if (was[key] !== now[key])
      differences.push(`${key} was ${was[key]} and is ${now[key]}, and the checkpoint is in the middle of an epoch`)
  return differences
}

const classDifferences = (was: readonly string[], now: readonly string[]): string[] => {
  const differences: string[] = []
  if (was.length !== now.length) differences.push(`the checkpoint has ${was.length} classes, the data ${now.length}`)
  for (let i = 0; i < Math.max(was.length, now.length); i++)
    if (was[i] !== now[i]) differences.push(`class ${i} was ${quoted(was[i])} and is ${quoted(now[i])}`)
  return differences
}
const quoted = (name: string | undefined): string => (name === undefined ? 'missing' : `"${name}"`)
