/** Checkpoints of a run: one safetensors file with everything that is needed to go on, or to predict. */
import { modelMetadata } from '../executable/metadata.ts'
import type { Variables } from '../executable/variables.ts'
import { readSafetensors } from '../io/safetensors.ts'
import { EffuseError } from '../ir/diagnostics.ts'
import type { Model } from '../ir/model.ts'
import type { CheckpointStore } from './checkpoint-store.ts'
import { parseState, type RunConfiguration, type RunState, stateText } from './run-state.ts'

/** The best so far, by the last evaluation. */
export const bestName = 'best.safetensors'
const stepPattern = /^step-(\d+)\.safetensors$/
export const stepName = (step: number): string => `step-${String(step).padStart(8, '0')}.safetensors`
/** Keys of a checkpoint's metadata, beside the model's own. */
export const trainingKey = 'effuse.training'
export const labelsKey = 'effuse.labels'

/** The file of a moment: weights, slots, averages, scale and step as variables; the run's place as metadata. */
export const encodeCheckpoint = async (
  variables: Variables,
  model: Model,
  state: RunState,
  configuration: RunConfiguration,
  metadata: { readonly [key: string]: string } = {},
): Promise<Uint8Array> =>
  variables.save(undefined, {
    metadata: {
      ...metadata,
      ...modelMetadata(model),
      [labelsKey]: JSON.stringify(configuration.classes),
      [trainingKey]: stateText(state, configuration),
    },
  })

/** Names of the numbered checkpoints, latest first. */
export const stepNames = (names: readonly string[]): readonly string[] =>
  names
    .flatMap((name) => {
      const step = stepPattern.exec(name)?.[1]
      return step === undefined ? [] : [{ name, step: Number(step) }]
    })
    .sort((a, b) => b.step - a.step)
    .map(({ name }) => name)

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
 * The latest checkpoint that can be read; null where there is none at all. Damaged ones are told and passed over.
 * @throws EffuseError EF508 where there are some and none can be read.
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
      onDamaged(`the checkpoint ${name} in ${store.label} cannot be used and is passed over: ${error.message}`)
    }
  }
  if (faults.length === 0) return null
  throw new EffuseError({
    code: 'EF508',
    message: `none of the ${faults.length} checkpoints in ${store.label} can be read:\n  ${faults.join('\n  ')}`,
    hint: 'start anew without resume, in another folder',
  })
}

/** @throws EffuseError EF503 (damaged), EF508 (not of a run) */
const decodeCheckpoint = (bytes: Uint8Array, name: string): Omit<FoundCheckpoint, 'name'> => {
  const { metadata } = readSafetensors(bytes, name)
  const found = parseState(metadata.get(trainingKey) ?? '')
  if (found === null)
    throw new EffuseError({ code: 'EF508', message: `${name} holds weights, but not the state of a run` })
  return { bytes, ...found }
}

/** What differs between a checkpoint and the run that wants to go on from it, one line each. */
export const configurationDifferences = (
  was: RunConfiguration,
  now: RunConfiguration,
  isAtEpoch: boolean,
): readonly string[] => {
  const differences = classDifferences(was.classes, now.classes)
  if (was.seed !== now.seed) differences.push(`the seed was ${was.seed} and is ${now.seed}`)
  if (isAtEpoch) return differences
  // In the middle of an epoch the place in the data counts in these.
  for (const key of ['batch', 'accumulate', 'length'] as const)
    if (was[key] !== now[key])
      differences.push(`${key} was ${was[key]} and is ${now[key]}, and the checkpoint stands in the middle of an epoch`)
  return differences
}

const classDifferences = (was: readonly string[], now: readonly string[]): string[] => {
  const differences: string[] = []
  if (was.length !== now.length) differences.push(`the checkpoint has ${was.length} classes, the data ${now.length}`)
  for (let i = 0; i < Math.max(was.length, now.length); i++)
    if (was[i] !== now[i]) differences.push(`class ${i} was ${quoted(was[i])} and is ${quoted(now[i])}`)
  return differences
}
const quoted = (name: string | undefined): string => (name === undefined ? 'not there' : `"${name}"`)
