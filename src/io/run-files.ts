/** Names of the files in a run's folder, or in another store of checkpoints. */
import { EffuseError } from '../ir/diagnostics.ts'

/** The checkpoint with the best evaluation so far. */
export const bestName = 'best.safetensors'
const stepPattern = /^step-(\d+)\.safetensors$/
export const stepName = (step: number): string => `step-${String(step).padStart(8, '0')}.safetensors`

/** Names of the numbered checkpoints, latest first. */
export const stepNames = (names: readonly string[]): readonly string[] =>
  names
    .flatMap((name) => {
      const step = stepPattern.exec(name)?.[1]
      return step === undefined ? [] : [{ name, step: Number(step) }]
    })
    .sort((a, b) => b.step - a.step)
    .map(({ name }) => name)

/**
 * The preferred checkpoint among the names in a folder, the best or the latest; the other one if it is missing.
 * @throws EffuseError EF501 if there is none
 */
export const checkpointAmong = (names: readonly string[], prefer: 'best' | 'latest', folder: string): string => {
  const best = names.includes(bestName) ? [bestName] : []
  const [latest] = stepNames(names)
  const [found] = prefer === 'best' ? [...best, latest] : [latest, ...best]
  if (found !== undefined) return found
  throw new EffuseError({
    code: 'EF501',
    message: `there is no checkpoint in ${folder}`,
    hint: 'name a folder that `effuse train` has written a checkpoint to, or a file of weights',
  })
}
