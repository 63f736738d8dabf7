/** EfficientNet B0-B7 and Lite0-4 as typed models. Tables: efficientnet-variants.ts; options: efficientnet-options.ts. */
import { modelMetadata, withMetadata } from '../ir/metadata.ts'
import { modelKey } from '../io/own-metadata.ts'
import type { Builder } from '../ir/build.ts'
import { graph, type Model } from '../ir/model.ts'
import { EffuseError } from '../ir/diagnostics.ts'
import { add, div, dropout, globalAveragePool2d, relu6, silu, softmax, sub } from '../ir/functions.ts'
import * as nn from '../ir/nn.ts'
import type { Padding } from '../ir/signatures.ts'
import { float32, type Image, type TensorType, type Value } from '../ir/value.ts'
import {
  checkEfficientNetOptions,
  defaultNormalization,
  type EfficientNetOptions,
  type EfficientNetParts,
} from './efficientnet-options.ts'
import { type Architecture, architectureOf, isVariant, type Variant, variants } from './efficientnet-variants.ts'
import { didYouMean } from '../ir/words.ts'

export type { EfficientNetOptions, EfficientNetParts, Normalization } from './efficientnet-options.ts'
export { type BlockRow, isVariant, type Variant, variants } from './efficientnet-variants.ts'

type Inputs = { readonly image: TensorType<'float32', 4> }
/** Inner values by their paths, [N,H,W,C]. */
type Tapped<T extends string> = { readonly [path in T]: TensorType<'float32', 4> }

/** An EfficientNet. `T`: paths of inner values that are additional outputs. */
export type EfficientNet<T extends string = never> = Model<
  Inputs,
  { readonly logits: TensorType<'float32', 2>; readonly probabilities: TensorType<'float32', 2> } & Tapped<T>
>
/** An EfficientNet without the last layer. */
export type EfficientNetFeatures<T extends string = never> = Model<
  Inputs,
  { readonly features: TensorType<'float32', 4>; readonly pooled: TensorType<'float32', 2> } & Tapped<T>
>

interface DeclareEfficientNet {
  <const T extends string = never>(
    variant: Variant,
    options: EfficientNetOptions & { readonly head: false; readonly taps?: readonly T[] | undefined },
  ): EfficientNetFeatures<T>
  <const T extends string>(
    variant: Variant,
    options: EfficientNetOptions & { readonly head?: true | undefined; readonly taps: readonly T[] },
  ): EfficientNet<T>
  (variant: Variant, options?: EfficientNetOptions & { readonly head?: true | undefined }): EfficientNet
}

/**
 * Declares an EfficientNet (Tan and Le, 2019): input `image` float32 [batch,H,W,inChannels], 0 to 255; outputs `logits` and
 * `probabilities` float32 [batch,classes]. With `head: false` it ends before the last layer; the outputs are then `features`
 * [batch,H/32,W/32,C] and their means `pooled` [batch,C], for the caller's own network (`apply`). docs/models.md lists the names of variables;
 * kernels have HWIO layout.
 *
 * @param variant 'b0' to 'b7', 'lite0' to 'lite4'.
 * @throws EffuseError EF602 (an unknown variant), EF403 (an option).
 * @example
 * const model = efficientNet('b0', { classes: 10, resolution: 96 })
 * const backbone = efficientNet('b0', { head: false, taps: ['blocks.2', 'blocks.10'] }) // features, pooled and two inner values
 */
export const efficientNet = ((
  variant: Variant,
  options: EfficientNetOptions & EfficientNetParts = {},
): EfficientNet | EfficientNetFeatures => {
  if (!isVariant(variant)) {
    throw new EffuseError({
      code: 'EF602',
      message: `there is no variant "${String(variant)}"; there are ${variants.join(', ')}`,
      hint: didYouMean(String(variant), variants),
    })
  }
  checkEfficientNetOptions(options)
  const architecture = architectureOf(variant, options.blocks)
  const { resolution = architecture.resolution, inChannels = 3 } = options
  const [height, width] = typeof resolution === 'number' ? [resolution, resolution] : resolution
  const inputs = { image: float32('batch', height, width, inChannels) }
  const model = graph(`efficientnet-${variant}`, inputs, ({ image }, b) =>
    b.fromOneCall(() => network(image, b, architecture, options)),
  ) as unknown as EfficientNet | EfficientNetFeatures // the outputs' types
  const classes = options.head === false ? {} : { classes: options.classes ?? 1000 }
  const declaration: Declaration = { family: 'efficientnet', variant, options: { ...options, resolution, ...classes } }
  return withMetadata(model as Model, { [modelKey]: JSON.stringify(declaration) }) as typeof model
}) as DeclareEfficientNet // `head` and `taps` decide the type of the result

/** The declaration of a model in a file of weights. */
export interface Declaration {
  readonly family: 'efficientnet'
  readonly variant: Variant
  readonly options: EfficientNetOptions & EfficientNetParts
}

/** The declaration of an EfficientNet, with resolution and classes in its options. */
export const declarationOf = (model: EfficientNet | EfficientNetFeatures): Declaration =>
  JSON.parse(modelMetadata(model as Model)[modelKey] ?? '{}') // as efficientNet() writes it

/** Declares the same network again with other options or parts. Its variables keep their names. */
export const redeclared = (
  { variant, options }: Declaration,
  changes: EfficientNetOptions & EfficientNetParts,
): EfficientNet => efficientNet(variant, { ...options, ...changes } as EfficientNetOptions)

/** Settings that all layers of a network share. */
interface Style {
  readonly activation: <R extends number>(x: Value<'float32', R>) => Value<'float32', R>
  readonly padding: (kernel: number) => Padding
  readonly batchNorm: { readonly momentum: number; readonly epsilon: number }
}

const network = (
  image: Image,
  b: Builder,
  architecture: Architecture,
  options: EfficientNetOptions & EfficientNetParts,
): { readonly [output: string]: Value } => {
  const style: Style = {
    activation: architecture.isLite ? relu6 : silu,
    padding: (kernel) =>
      options.padding === 'symmetric'
        ? [
            [(kernel - 1) / 2, (kernel - 1) / 2],
            [(kernel - 1) / 2, (kernel - 1) / 2],
          ]
        : 'same',
    batchNorm: { momentum: options.batchNorm?.momentum ?? 0.99, epsilon: options.batchNorm?.epsilon ?? 1e-3 },
  }
  const inner = new Map<string, Image>()
  let x = normalized(image, b, options)
  x = b.scope('stem', () =>
    style.activation(convNorm(x, style, { filters: architecture.stemFilters, kernel: 3, strides: 2 })),
  )
  inner.set('stem', x)
  for (const block of blocksOf(architecture, options.stochasticDepth ?? 0.2)) {
    x = b.scope(block.name, () => invertedResidual(x, style, block))
    inner.set(block.name, x)
  }
  const taps = Object.fromEntries((options.taps ?? []).map((path) => [path, tapped(inner, path)]))
  x = b.scope('head', () =>
    style.activation(convNorm(x, style, { filters: architecture.headFilters, kernel: 1, strides: 1 })),
  )
  return b.scope('head', () => {
    const pooled = globalAveragePool2d(x)
    if (options.head === false) return { features: x, pooled, ...taps }
    const kept = dropout(pooled, { rate: options.dropout ?? architecture.dropout })
    const logits = nn.dense(kept, { name: 'dense', units: options.classes ?? 1000 })
    return { logits, probabilities: softmax(logits), ...taps }
  })
}

const tapped = (inner: ReadonlyMap<string, Image>, path: string): Image => {
  const value = inner.get(path)
  if (value !== undefined) return value
  const known = [...inner.keys()]
  throw new EffuseError({
    code: 'EF403',
    message: `option "taps": there is no inner value "${path}"; there are stem and ${known[1]} to ${known.at(-1)}`,
    hint: didYouMean(path, known),
  })
}

const normalized = (image: Image, b: Builder, { normalize = true, inChannels = 3 }: EfficientNetOptions): Image => {
  if (normalize === false) return image
  const { mean, std } = normalize === true ? defaultNormalization(inChannels) : normalize
  const perChannel = (value: number | readonly number[]): Value<'float32'> =>
    b.constant(
      Float32Array.from({ length: inChannels }, (_, c) => (typeof value === 'number' ? value : (value[c] ?? 0))),
    ) as Value<'float32'> // float32 literals
  return b.scope('normalize', () => div(sub(image, perChannel(mean)), perChannel(std)))
}

interface ConvShape {
  readonly filters: number
  readonly kernel: number
  readonly strides: number
}
/** Convolution and batch norm, without activation. */
const convNorm = (x: Image, style: Style, { filters, kernel, strides }: ConvShape): Image =>
  nn.batchNorm(nn.conv2d(x, { name: 'conv', filters, kernel, strides, padding: style.padding(kernel) }), {
    name: 'bn',
    ...style.batchNorm,
  })

interface Block extends ConvShape {
  readonly name: string
  readonly expanded: number
  /** Channels of the squeeze; 0: no squeeze-excite. */
  readonly squeezed: number
  readonly hasResidual: boolean
  /** Rate of stochastic depth. */
  readonly dropRate: number
}

/** All blocks, numbered from 0. The squeeze ratio refers to the block's input channels, not to the expanded ones. */
const blocksOf = (architecture: Architecture, stochasticDepth: number): readonly Block[] => {
  const total = architecture.blocks.reduce((sum, row) => sum + row.repeats, 0)
  let channels = architecture.stemFilters
  let index = 0
  return architecture.blocks.flatMap((row) =>
    Array.from({ length: row.repeats }, (_, repeat): Block => {
      const input = channels
      channels = row.filters
      const strides = repeat === 0 ? row.strides : 1
      const at = index++
      return {
        name: `blocks.${at}`,
        filters: row.filters,
        kernel: row.kernel,
        strides,
        expanded: input * row.expand,
        squeezed: row.squeezeExcite === 0 ? 0 : Math.max(1, Math.floor(input * row.squeezeExcite)),
        hasResidual: strides === 1 && input === row.filters,
        dropRate: (stochasticDepth * at) / total,
      }
    }),
  )
}

/** MBConv: expand, depthwise, squeeze and excite, project. Adds the input if the shapes are equal. */
const invertedResidual = (input: Image, style: Style, block: Block): Image => {
  const b = input.builder as Builder // graph() builds models; passes never do
  let x = input
  if (block.expanded !== input.shape[3])
    x = b.scope('expand', () =>
      style.activation(convNorm(x, style, { filters: block.expanded, kernel: 1, strides: 1 })),
    )
  x = b.scope('depthwise', () => {
    const y = nn.depthwiseConv2d(x, {
      name: 'conv',
      kernel: block.kernel,
      strides: block.strides,
      padding: style.padding(block.kernel),
    })
    return style.activation(nn.batchNorm(y, { name: 'bn', ...style.batchNorm }))
  })
  if (block.squeezed > 0) x = nn.squeezeExcite(x, { name: 'se', reduced: block.squeezed, activation: silu })
  x = b.scope('project', () => convNorm(x, style, { filters: block.filters, kernel: 1, strides: 1 }))
  if (!block.hasResidual) return x
  const kept = block.dropRate > 0 ? b.scope('drop', () => dropout(x, { rate: block.dropRate, per: 'sample' })) : x
  return add(kept, input)
}
