/** The classes with the largest probabilities. */
import { EffuseError, showGiven } from '../ir/diagnostics.ts'

export interface TopEntry {
  readonly index: number
  readonly label: string
  readonly probability: number
}

/**
 * The k largest of one picture's probabilities, largest first; equal ones are in the order of their indices. Returns at most all classes.
 * @param probabilities [classes], as `data()` of a result with batch 1 returns them.
 * @throws EffuseError EF403 if k or the number of labels is wrong.
 * @example
 * top(Float32Array.of(0.1, 0.7, 0.2), 2, ['cat', 'dog', 'owl']) // dog 0.7, owl 0.2
 */
export const top = (probabilities: ArrayLike<number>, k = 5, labels?: readonly string[]): readonly TopEntry[] => {
  if (!ArrayBuffer.isView(probabilities) && !Array.isArray(probabilities))
    throw new EffuseError({
      code: 'EF403',
      message: `top() takes the probabilities of one picture, got ${showGiven(probabilities)}`,
      hint: 'write top(await probabilities.data(), 5)',
    })
  if (!Number.isSafeInteger(k) || k < 1)
    throw new EffuseError({ code: 'EF403', message: `k must be a positive integer, got ${k}` })
  if (labels !== undefined && labels.length !== probabilities.length) {
    throw new EffuseError({
      code: 'EF403',
      message: `expected ${probabilities.length} labels, one for each class, got ${labels.length}`,
      hint: 'pass the labels that came with the weights',
    })
  }
  return Array.from({ length: probabilities.length }, (_, index) => ({
    index,
    label: labels?.[index] ?? `class ${index}`,
    probability: probabilities[index] as number,
  })) // index is below length
    .sort((a, b) => b.probability - a.probability || a.index - b.index)
    .slice(0, k)
}
