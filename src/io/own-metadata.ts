/** The keys of effuse's own texts in the metadata of a safetensors file. */
import type { FixedCrop } from '../pixels/box.ts'

export const formatKey = 'effuse.format'
/** Of every tensor and every text, see checksums.ts. */
export const checksumsKey = 'effuse.crc32'
/** The declaration of a model that effuse knows: family, variant, options. */
export const modelKey = 'effuse.model'
/** Names of the classes, a list. */
export const labelsKey = 'effuse.labels'
/** Where a training run stands, and what it was made for. */
export const trainingKey = 'effuse.training'
/** How pictures for the network are cut where nothing is random: 'center' or 'none'. */
export const cropKey = 'effuse.crop'

/** The central square where the file does not say, or says what this version does not know. */
export const cropIn = (metadata: ReadonlyMap<string, string>): FixedCrop =>
  metadata.get(cropKey) === 'none' ? 'none' : 'center'
