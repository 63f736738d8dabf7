/** The options of openModel(), and their checks. */
import type { WeightsKind } from '../executable/model-weights.ts'
import { type Check, flag, isObject, names, unchecked } from '../ir/check-record.ts'
import type { Model } from '../ir/model.ts'
import type { EfficientNetOptions } from './efficientnet.ts'

export interface OpenModelOptions {
  /** The origin of the weights, if the file does not show it: 'timm', 'timm-tf', 'torchvision', 'efficientnet-pytorch'. */
  readonly format?: string | undefined
  /** Names of the classes, in order; default: the file's own, or ImageNet's if there are 1000. */
  readonly labels?: readonly string[] | undefined
  /**
   * The weights to take from a file that has both: the moving averages or the raw weights. Default: for files of effuse's runs those that the last
   * evaluation found better, for other files the averages.
   */
  readonly weights?: WeightsKind | undefined
  /** Whether to check the checksums in a file that effuse wrote. Default true. */
  readonly verify?: boolean | undefined
  /** A path to put before the names of the weights: the `name` of `apply(model, inputs, { name })` in the caller's own network. */
  readonly under?: string | undefined
}

/** Options that only an EfficientNet has. */
export interface NetworkOptions {
  /** Size of the pictures, or [height, width]; default: the file's own, or the variant's. */
  readonly resolution?: EfficientNetOptions['resolution']
}

/** What the overloads of openModel() accept between them. */
export interface AnyOptions extends OpenModelOptions, NetworkOptions {
  readonly model?: Model | undefined
  readonly head?: boolean | undefined
}

export const checks: { readonly [K in keyof Required<AnyOptions>]: Check } = {
  format: ['a name such as timm', (v) => typeof v === 'string'], // conventionsOf() checks the name
  labels: names,
  weights: ["'averages' or 'raw'", (v) => v === 'averages' || v === 'raw'],
  verify: flag,
  under: ['a path such as backbone', (v) => typeof v === 'string' && v !== '' && !v.startsWith('.')],
  model: ['a model that graph() returned', (v) => isObject(v) && 'at' in v],
  head: flag,
  resolution: unchecked, // efficientNet() checks it
}
