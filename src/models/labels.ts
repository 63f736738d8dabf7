/** Names of a network's classes. */
import { EffuseError } from '../ir/diagnostics.ts'

/**
 * The given names, else ImageNet's for 1000 classes, else `class 0` and so on.
 * @throws EffuseError EF403 if the number of given names is not the number of classes
 */
export const labelsFor = async (classes: number, given: readonly string[] | undefined): Promise<readonly string[]> => {
  const labels = given ?? (await usualLabels(classes))
  if (labels.length !== classes)
    throw new EffuseError({
      code: 'EF403',
      message: `expected ${classes} labels, one for each class, got ${labels.length}`,
    })
  return labels
}

/** ImageNet's are loaded on demand. */
const usualLabels = async (classes: number): Promise<readonly string[]> =>
  classes === 1000
    ? (await import('./imagenet-labels.ts')).imagenetLabels
    : Array.from({ length: classes }, (_, i) => `class ${i}`)
