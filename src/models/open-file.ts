/** Decides how to read a file of weights: effuse's own files name their model, others are recognised by names and shapes. */
import { checkHasSome, modelWeights } from '../executable/model-weights.ts'
import { sourceName, type WeightsSource } from '../executable/weights-source.ts'
import { readVerified } from '../io/checksums.ts'
import { cropIn } from '../io/own-metadata.ts'
import { startsAsSafetensors } from '../io/safetensors-header.ts'
import { EffuseError } from '../ir/diagnostics.ts'
import type { Model } from '../ir/model.ts'
import type { EfficientNet } from './efficientnet.ts'
import type { AnyOptions } from './open-options.ts'
import { labelsIn, openOwn } from './open-own.ts'
import type { Opened } from './opened.ts'
import { weightsUnder, withoutHead } from './weights-parts.ts'

/** Opens the file with `bytes`; `source` says its name and folder. @throws EffuseError as openModel() */
export const openFile = async (
  source: WeightsSource,
  bytes: Uint8Array,
  options: AnyOptions,
): Promise<Opened<EfficientNet | Model>> => {
  const { under } = options
  const found = await opened(source, bytes, options)
  return under === undefined ? found : { ...found, weights: weightsUnder(found.weights, under) }
}

const opened = async (
  source: WeightsSource,
  bytes: Uint8Array,
  options: AnyOptions,
): Promise<Opened<EfficientNet | Model>> => {
  const { model, head, verify, weights: wanted } = options
  const fileName = sourceName(source)
  const part = head !== undefined ? 'head' : options.resolution !== undefined ? 'resolution' : null
  if (model !== undefined && part !== null)
    throw new EffuseError({
      code: 'EF403',
      message: `openModel() takes "${part}" or "model", not both: your own network declares its ${part}`,
    })
  const torch = startsAsSafetensors(bytes) ? null : await (await others()).openTorch(source, bytes, options)
  if (torch !== null) return head === false ? withoutHead(torch) : torch
  const file = readVerified(bytes, fileName, verify)
  const unchanged = verify === false ? null : bytes
  if (model !== undefined) {
    checkHasSome(model, file, fileName)
    const labels = options.labels ?? labelsIn(file.metadata) ?? []
    return { model, labels, crop: cropIn(file.metadata), notes: [], ...modelWeights(file, unchanged, model, wanted) }
  }
  const found = (await openOwn(file, unchanged, options)) ?? (await (await others()).openFlat(source, file, options))
  return head === false ? withoutHead(found) : found
}

/** The readers of other programs' files. */
const others = () => import('./open-others.ts')
