/** The keys of effuse's own texts in the metadata of a safetensors file. */

export const formatKey = 'effuse.format'
/** Of every tensor and every text, see checksums.ts. */
export const checksumsKey = 'effuse.crc32'
/** The declaration of a model that effuse knows: family, variant, options. */
export const modelKey = 'effuse.model'
/** Names of the classes, a list. */
export const labelsKey = 'effuse.labels'
/** Where a training run stands, and what it was made for. */
export const trainingKey = 'effuse.training'
