/** The options of efficientNet(): types, defaults and checks. */
import { type Check, checkRecord, flag, count } from '../ir/check-record.ts'
import { EffuseError } from '../ir/diagnostics.ts'
import type { BlockRow } from './efficientnet-variants.ts'

/** One number per channel or one for all, in the units of the input (0 to 255). */
export interface Normalization {
  readonly mean: number | readonly number[]
  readonly std: number | readonly number[]
}

export interface EfficientNetOptions {
  /** Default 1000. */
  readonly classes?: number | undefined
  /** Height and width of the input as one number, or [height, width]. Default: the variant's own. */
  readonly resolution?: number | readonly [number, number] | undefined
  /** Default 3. */
  readonly inChannels?: number | undefined
  /** Dropout rate before the last layer; default: the variant's own. */
  readonly dropout?: number | undefined
  /** Rate of stochastic depth. It grows over the network: block i of n has i / n of it. Default 0.2. */
  readonly stochasticDepth?: number | undefined
  /** 'same', as in TensorFlow (default), or 'symmetric', as in PyTorch. They differ for strides of 2. */
  readonly padding?: 'same' | 'symmetric' | undefined
  /** true (default): ImageNet's mean and deviation for 3 channels, 0.5 and 0.5 of 255 otherwise; false: no normalisation. */
  readonly normalize?: boolean | Normalization | undefined
  readonly batchNorm?: { readonly momentum?: number | undefined; readonly epsilon?: number | undefined } | undefined
  /** Replaces the block table, for small models. It is scaled like the standard one. */
  readonly blocks?: readonly BlockRow[] | undefined
}

/** The values that a network returns. */
export interface EfficientNetParts {
  /** false: without the last layer; the outputs are `features` and `pooled`, and there are no `classes`. Default true. */
  readonly head?: boolean | undefined
  /** Paths of inner values that become additional outputs: 'stem', 'blocks.0' and so on. */
  readonly taps?: readonly string[] | undefined
}

const isPositive = (v: unknown): boolean => Number.isSafeInteger(v) && Number(v) > 0
const isRate = (v: unknown): boolean => typeof v === 'number' && v >= 0 && v < 1
const isNumbers = (v: unknown, accepts: (x: number) => boolean): boolean =>
  (Array.isArray(v) ? v : [v]).every((x) => typeof x === 'number' && accepts(x))
const isRecord = (v: unknown): v is { readonly [name: string]: unknown } =>
  typeof v === 'object' && v !== null && !Array.isArray(v)

/** Limits the time to build a network that a file's metadata declares. No EfficientNet needs more. */
const repeatsMax = 100
const rowsMax = 50

const checks: { readonly [K in keyof Required<EfficientNetOptions & EfficientNetParts>]: Check } = {
  classes: count,
  resolution: [
    'a positive integer, or [height, width]',
    (v) => isPositive(v) || (Array.isArray(v) && v.length === 2 && v.every(isPositive)),
  ],
  inChannels: count,
  dropout: ['a number from 0 to below 1', isRate],
  stochasticDepth: ['a number from 0 to below 1', isRate],
  padding: ["'same' or 'symmetric'", (v) => v === 'same' || v === 'symmetric'],
  normalize: [
    'true, false or { mean, std } with positive std',
    (v) =>
      typeof v === 'boolean' ||
      (isRecord(v) && isNumbers(v['mean'], Number.isFinite) && isNumbers(v['std'], (x) => x > 0 && x < Infinity)),
  ],
  batchNorm: [
    '{ momentum, epsilon }, momentum from 0 to 1, epsilon above 0',
    (v) =>
      isRecord(v) &&
      Object.entries(v).every(
        ([key, x]) =>
          x === undefined ||
          (typeof x === 'number' && ((key === 'momentum' && x >= 0 && x <= 1) || (key === 'epsilon' && x > 0))),
      ),
  ],
  blocks: [
    'a list of { kernel, repeats, filters, expand, strides }',
    (v) => Array.isArray(v) && v.length > 0 && v.length <= rowsMax,
  ],
  head: flag,
  taps: ["a list of paths such as 'blocks.2'", (v) => Array.isArray(v) && v.every((path) => typeof path === 'string')],
}
/** No published network has larger kernels. The cost is the square of the size, so a typing mistake could make a step hang. */
const kernelMax = 63
const rowChecks: { readonly [K in keyof Required<BlockRow>]: Check } = {
  kernel: [
    `an odd integer from 1 to ${kernelMax}`,
    (v) => isPositive(v) && Number(v) % 2 === 1 && Number(v) <= kernelMax,
  ],
  repeats: [`a positive integer up to ${repeatsMax}`, (v) => isPositive(v) && Number(v) <= repeatsMax],
  filters: count,
  expand: count,
  strides: ['1 or 2', (v) => v === 1 || v === 2],
  squeezeExcite: ['a number from 0 to 1', (v) => typeof v === 'number' && v >= 0 && v <= 1],
}

/** @throws EffuseError EF403 naming the option, the expected and the given value */
export const checkEfficientNetOptions = (options: EfficientNetOptions & EfficientNetParts): void => {
  checkRecord('efficientNet()', '', options, checks)
  for (const key of options.head === false ? (['classes', 'dropout'] as const) : [])
    if (options[key] !== undefined)
      throw new EffuseError({
        code: 'EF403',
        message: `option "${key}" belongs to the last layer, which head: false leaves out`,
        hint: `leave "${key}" out, and use it in your own head`,
      })
  for (const [i, row] of (options.blocks ?? []).entries()) {
    checkRecord('a row of blocks', `blocks[${i}].`, row, rowChecks)
    for (const key of ['kernel', 'repeats', 'filters', 'expand', 'strides'] as const) {
      if (row[key] === undefined)
        throw new EffuseError({ code: 'EF403', message: `blocks[${i}] needs "${key}": ${rowChecks[key][0]}` })
    }
  }
  const channels = options.inChannels ?? 3
  if (typeof options.normalize === 'object') {
    for (const [key, value] of Object.entries(options.normalize)) {
      if (Array.isArray(value) && value.length !== channels)
        throw new EffuseError({
          code: 'EF403',
          message: `normalize.${key} needs ${channels} numbers, one per channel, got ${value.length}`,
        })
    }
  }
}

/** Mean and deviation per channel of `normalize: true`, in units of 0 to 255. */
export const defaultNormalization = (
  channels: number,
): { readonly mean: readonly number[]; readonly std: readonly number[] } =>
  channels === 3
    ? { mean: [0.485, 0.456, 0.406].map((x) => x * 255), std: [0.229, 0.224, 0.225].map((x) => x * 255) }
    : { mean: new Array<number>(channels).fill(127.5), std: new Array<number>(channels).fill(127.5) }
