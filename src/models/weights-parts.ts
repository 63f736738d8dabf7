/** Weights as a part of a larger network: without the last layer, or under a path. */
import { writeOwnFile } from '../io/checksums.ts'
import { labelsKey, modelKey } from '../io/own-metadata.ts'
import { readSafetensors } from '../io/safetensors.ts'
import { modelMetadata } from '../ir/metadata.ts'
import { joinPath } from '../ir/places.ts'
import { declarationOf, type EfficientNet, redeclared } from './efficientnet.ts'
import type { Opened } from './opened.ts'

/** Removes the last layer from the weights and from the model. */
export const withoutHead = (opened: Opened<EfficientNet>): Opened<EfficientNet> => {
  const { options, ...declared } = declarationOf(opened.model)
  const { classes: _c, dropout: _d, ...rest } = options
  const model = redeclared({ ...declared, options: rest }, { head: false })
  const { tensors, metadata } = readSafetensors(opened.weights)
  const kept = [...tensors.values()].filter(({ name }) => !name.startsWith('head/dense/'))
  const { [labelsKey]: _, ...texts } = { ...Object.fromEntries(metadata), ...modelMetadata(model) }
  return { ...opened, model, labels: [], weights: writeOwnFile(kept, texts) }
}

/** Puts `path` before the names. Removes the metadata on model and classes: they describe the part, not the whole network. */
export const weightsUnder = (weights: Uint8Array, path: string): Uint8Array => {
  const { tensors, metadata } = readSafetensors(weights)
  const { [modelKey]: _m, [labelsKey]: _l, ...texts } = Object.fromEntries(metadata)
  return writeOwnFile(
    [...tensors.values()].map((entry) => ({ ...entry, name: joinPath(path, entry.name) })),
    texts,
  )
}
