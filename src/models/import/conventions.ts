/**
 * Padding, epsilon and normalisation, which tensors do not show. They change the results, so effuse does not guess them: they come from the family
 * of the names, from a config.json beside the file, from the file's name, or from the user.
 */
import { EffuseError } from '../../ir/diagnostics.ts'
import type { EfficientNetOptions } from '../efficientnet-options.ts'
import type { Variant } from '../efficientnet-variants.ts'
import type { Family } from './names.ts'

export const formats = ['timm', 'timm-tf', 'torchvision', 'efficientnet-pytorch'] as const
export type Format = (typeof formats)[number]

/** The parts of timm's config.json that matter here. */
export interface TimmConfig {
  readonly architecture: string | undefined
  readonly mean: readonly number[] | undefined
  readonly std: readonly number[] | undefined
  /** Names of the classes, in order. */
  readonly labels: readonly string[] | undefined
}

/** Reads these parts from a parsed config.json. A field of another type counts as missing. */
export const timmConfig = (found: unknown): TimmConfig => {
  const top = recordOf(found)
  const { architecture, pretrained_cfg: pretrained } = top
  const inner = recordOf(pretrained)
  const { mean, std } = inner
  const names = top['label_names'] ?? inner['label_names'] ?? top['labels'] ?? inner['labels']
  return {
    architecture: typeof architecture === 'string' ? architecture : undefined,
    mean: numbersOf(mean),
    std: numbersOf(std),
    labels: labelsOf(names, recordOf(top['label_descriptions'] ?? inner['label_descriptions'])),
  }
}
/** The names as a list, from a list or an object by index. Uses the descriptions if every class has one, because the names are then codes. */
const labelsOf = (
  names: unknown,
  descriptions: { readonly [name: string]: unknown },
): readonly string[] | undefined => {
  const record = recordOf(names)
  const count = Object.keys(record).length
  const list: readonly unknown[] = Array.isArray(names) ? names : Array.from({ length: count }, (_, i) => record[i])
  if (list.length === 0 || !list.every((name): name is string => typeof name === 'string')) return undefined
  const words = list.map((name) => (Object.hasOwn(descriptions, name) ? descriptions[name] : undefined))
  return words.every((word): word is string => typeof word === 'string') ? words : list
}
const recordOf = (value: unknown): { readonly [name: string]: unknown } =>
  typeof value === 'object' && value !== null ? (value as { readonly [name: string]: unknown }) : {} // true of every object
const numbersOf = (value: unknown): readonly number[] | undefined =>
  Array.isArray(value) && value.every((x): x is number => typeof x === 'number') ? value : undefined

export interface Hints {
  readonly format?: string | undefined
  readonly fileName?: string | undefined
  readonly config?: TimmConfig | null | undefined
}

/** @throws EffuseError EF403 (unknown format, or one of another family), EF505 (the format is not known) */
export const conventionsOf = (family: Family, variant: Variant, hints: Hints): EfficientNetOptions => {
  const format = formatOf(family, hints)
  const isLite = variant.startsWith('lite')
  const half = { mean: 127.5, std: 127.5 }
  switch (format) {
    // EfficientNet-PyTorch keeps TensorFlow's padding and epsilon; its Lite weights expect (rgb - 127) / 128.
    case 'efficientnet-pytorch':
      return { padding: 'same', batchNorm: { epsilon: 1e-3 }, normalize: isLite ? { mean: 127, std: 128 } : true }
    case 'torchvision':
      return {
        padding: 'symmetric',
        batchNorm: { epsilon: ['b5', 'b6', 'b7'].includes(variant) ? 1e-3 : 1e-5 },
        normalize: true,
      }
    case 'timm-tf':
      return {
        padding: 'same',
        batchNorm: { epsilon: 1e-3 },
        normalize: statistics(hints.config) ?? (isLite || /ap_in1k/.test(hints.fileName ?? '') ? half : true),
      }
    case 'timm':
      return {
        padding: 'symmetric',
        batchNorm: { epsilon: 1e-5 },
        normalize: statistics(hints.config) ?? (/\.ra4_/.test(hints.fileName ?? '') ? half : true),
      }
  }
}

const formatOf = (family: Family, { format, fileName, config }: Hints): Format => {
  if (format !== undefined) {
    const known = formats.find((f) => f === format)
    if (known === undefined)
      throw new EffuseError({
        code: 'EF403',
        message: `there is no format "${format}"; there are ${formats.join(', ')}`,
      })
    if (!known.startsWith(family))
      throw new EffuseError({
        code: 'EF403',
        message: `the format is "${format}", but the names in the file are those of ${family}`,
      })
    return known
  }
  if (family !== 'timm') return family
  // Both families of timm have the same names and shapes, but those from TensorFlow have another padding and epsilon.
  // The last name in the path counts: a folder efficientnet_b0 may contain tf_efficientnet_b0.safetensors.
  const told = timmName(config?.architecture) ?? timmName(fileName)
  if (told !== undefined) return told.startsWith('tf_') ? 'timm-tf' : 'timm'
  throw new EffuseError({
    code: 'EF505',
    message:
      'these are weights of timm, but the tensors do not show whether the model is an `efficientnet_*` or a `tf_efficientnet_*`, whose padding differs',
    hint: "give the format, 'timm' or 'timm-tf'; or put timm's config.json beside the file",
  })
}

const timmName = (text: string | undefined): string | undefined =>
  text?.match(/(?:tf_)?efficientnet_(?:b\d|lite\d)/g)?.at(-1)

const statistics = (
  config: TimmConfig | null | undefined,
): { readonly mean: readonly number[]; readonly std: readonly number[] } | null => {
  const { mean, std } = config ?? {}
  return mean === undefined || std === undefined
    ? null
    : { mean: mean.map((x) => x * 255), std: std.map((x) => x * 255) }
}
