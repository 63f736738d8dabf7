/** Names of a network's classes. */
import { EffuseError } from '../ir/diagnostics.ts'
import { imagenetLabels } from './imagenet-labels.ts'

/**
 * The given names, else ImageNet's for 1000 classes, else `class 0` and so on.
 * @throws EffuseError EF403 if the number of given names is not the number of classes
 */
export const labelsFor = (classes: number, given: readonly string[] | undefined): readonly string[] => {
  const labels =
    given ??
    (classes === imagenetLabels.length ? imagenetLabels : Array.from({ length: classes }, (_, i) => `class ${i}`))
  if (labels.length !== classes)
    throw new EffuseError({ code: 'EF403', message: `${labels.length} labels for ${classes} classes` })
  return labels
}
