/** Opens files that effuse wrote for an EfficientNet. Their metadata declares the model. */
import { modelWeights, type WeightsKind } from '../executable/model-weights.ts'
import { cropIn, labelsKey, modelKey } from '../io/own-metadata.ts'
import type { SafetensorsFile } from '../io/safetensors.ts'
import { EffuseError } from '../ir/diagnostics.ts'
import { type Declaration, type EfficientNet, isVariant, redeclared } from './efficientnet.ts'
import { labelsFor } from './labels.ts'
import type { Opened } from './opened.ts'

/** Options for effuse's own files. */
export interface OwnOptions {
  readonly weights?: WeightsKind | undefined
  readonly labels?: readonly string[] | undefined
}

/** The opened file; null if it declares no model. @throws EffuseError EF505 */
export const openOwn = async (
  file: SafetensorsFile,
  bytes: Uint8Array | null,
  { weights: wanted, labels: given }: OwnOptions,
): Promise<Opened<EfficientNet> | null> => {
  const { tensors, metadata } = file
  const text = metadata.get(modelKey)
  if (text === undefined) return null
  const declaration = parseDeclaration(text)
  // The metadata is only text, so the declared model is checked against the tensors.
  const [classes] = tensors.get('head/dense/bias')?.shape ?? []
  const declared = declaration.options.head === false ? undefined : (declaration.options.classes ?? 1000)
  if (classes !== declared) {
    throw new EffuseError({
      code: 'EF505',
      message: `the file's metadata declares ${declared ?? 'no'} classes, but "head/dense/bias" has ${classes ?? 'no'} elements`,
      hint: 'the file was assembled from parts of other files, or is damaged',
    })
  }
  const model = redeclared(declaration, {})
  const labels = await labelsFor(classes ?? 0, given ?? labelsIn(metadata))
  return { model, labels, crop: cropIn(metadata), notes: [], ...modelWeights(file, bytes, model, wanted) }
}

const parseDeclaration = (text: string): Declaration => {
  const found: unknown = parseJson(text)
  const { variant, options } =
    typeof found === 'object' && found !== null && 'variant' in found && 'options' in found
      ? found
      : { variant: null, options: null }
  if (typeof variant !== 'string' || !isVariant(variant) || typeof options !== 'object' || options === null) {
    throw new EffuseError({
      code: 'EF505',
      message: `the file's metadata "${modelKey}" names no model that this version knows: ${text.slice(0, 200)}`,
      hint: 'was it written by a newer version of effuse?',
    })
  }
  return { family: 'efficientnet', variant, options } // efficientNet() checks the options
}

/** The names of the classes in a file's metadata. */
export const labelsIn = (metadata: ReadonlyMap<string, string>): readonly string[] | undefined => {
  const found = parseJson(metadata.get(labelsKey) ?? '')
  return Array.isArray(found) && found.every((x): x is string => typeof x === 'string') ? found : undefined
}

const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
