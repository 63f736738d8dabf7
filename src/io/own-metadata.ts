/** Keys of the texts that effuse writes into the metadata of a safetensors file. */
import type { FixedCrop } from '../pixels/box.ts'

export const formatKey = 'effuse.format'
/** Checksums of all tensors and texts, see checksums.ts. */
export const checksumsKey = 'effuse.crc32'
/** The declaration of an EfficientNet: family, variant, options. */
export const modelKey = 'effuse.model'
/** The list of class names. */
export const labelsKey = 'effuse.labels'
/** The state of a training run, and the run's configuration. */
export const trainingKey = 'effuse.training'
/** The crop of pictures for evaluation and prediction: 'center' or 'none'. */
export const cropKey = 'effuse.crop'

/** The crop of the file; 'center' if the file has none, or one that this version does not know. */
export const cropIn = (metadata: ReadonlyMap<string, string>): FixedCrop =>
  metadata.get(cropKey) === 'none' ? 'none' : 'center'
