/**
 * The tables of EfficientNet (Tan and Le 2019) and EfficientNet-Lite: the blocks before scaling, and the scaling of each variant.
 * The numbers are those of the reference implementations (tensorflow/tpu, NVIDIA's TensorFlow2 port).
 */

/** One row of the block table: `repeats` inverted residuals (MBConv), the first with `strides`. */
export interface BlockRow {
  readonly kernel: number
  readonly repeats: number
  /** Output channels. */
  readonly filters: number
  /** Ratio of expanded to input channels. */
  readonly expand: number
  readonly strides: number
  /** Ratio of squeezed channels to the block's input channels; 0: no squeeze-excite. Default 0.25, in Lite 0. */
  readonly squeezeExcite?: number | undefined
}

export const standardBlocks: readonly BlockRow[] = [
  { kernel: 3, repeats: 1, filters: 16, expand: 1, strides: 1 },
  { kernel: 3, repeats: 2, filters: 24, expand: 6, strides: 2 },
  { kernel: 5, repeats: 2, filters: 40, expand: 6, strides: 2 },
  { kernel: 3, repeats: 3, filters: 80, expand: 6, strides: 2 },
  { kernel: 5, repeats: 3, filters: 112, expand: 6, strides: 1 },
  { kernel: 5, repeats: 4, filters: 192, expand: 6, strides: 2 },
  { kernel: 3, repeats: 1, filters: 320, expand: 6, strides: 1 },
]

interface Scaling {
  readonly width: number
  readonly depth: number
  /** Height and width of the pictures that the variant is designed for. */
  readonly resolution: number
  /** Rate of the dropout before the last layer. */
  readonly dropout: number
}

const scalings = {
  b0: { width: 1.0, depth: 1.0, resolution: 224, dropout: 0.2 },
  b1: { width: 1.0, depth: 1.1, resolution: 240, dropout: 0.2 },
  b2: { width: 1.1, depth: 1.2, resolution: 260, dropout: 0.3 },
  b3: { width: 1.2, depth: 1.4, resolution: 300, dropout: 0.3 },
  b4: { width: 1.4, depth: 1.8, resolution: 380, dropout: 0.4 },
  b5: { width: 1.6, depth: 2.2, resolution: 456, dropout: 0.4 },
  b6: { width: 1.8, depth: 2.6, resolution: 528, dropout: 0.5 },
  b7: { width: 2.0, depth: 3.1, resolution: 600, dropout: 0.5 },
  lite0: { width: 1.0, depth: 1.0, resolution: 224, dropout: 0.2 },
  lite1: { width: 1.0, depth: 1.1, resolution: 240, dropout: 0.2 },
  lite2: { width: 1.1, depth: 1.2, resolution: 260, dropout: 0.3 },
  lite3: { width: 1.2, depth: 1.4, resolution: 280, dropout: 0.3 },
  lite4: { width: 1.4, depth: 1.8, resolution: 300, dropout: 0.3 },
} as const satisfies { readonly [name: string]: Scaling }

export type Variant = keyof typeof scalings
/** 'b0' to 'b7', 'lite0' to 'lite4'. */
export const variants: readonly Variant[] = Object.keys(scalings) as Variant[]
export const isVariant = (name: string): name is Variant => Object.hasOwn(scalings, name)

/** A variant's network after scaling. */
export interface Architecture extends Scaling {
  readonly isLite: boolean
  readonly stemFilters: number
  readonly headFilters: number
  /** Rows with scaled filters and repeats. */
  readonly blocks: readonly (BlockRow & { readonly squeezeExcite: number })[]
}

/** Scales a block table. Lite does not scale stem, head, and the repeats of the first and the last row. */
export const architectureOf = (variant: Variant, blocks: readonly BlockRow[] = standardBlocks): Architecture => {
  const scaling = scalings[variant]
  const isLite = variant.startsWith('lite')
  return {
    ...scaling,
    isLite,
    stemFilters: isLite ? 32 : roundFilters(32, scaling.width),
    headFilters: isLite ? 1280 : roundFilters(1280, scaling.width),
    blocks: blocks.map((row, i) => ({
      ...row,
      squeezeExcite: row.squeezeExcite ?? (isLite ? 0 : 0.25),
      filters: roundFilters(row.filters, scaling.width),
      repeats: isLite && (i === 0 || i === blocks.length - 1) ? row.repeats : Math.ceil(row.repeats * scaling.depth),
    })),
  }
}

/** The multiple of 8 that is nearest to filters * width and not less than 90 % of it. */
export const roundFilters = (filters: number, width: number): number => {
  const scaled = filters * width
  const rounded = Math.max(8, Math.floor((scaled + 4) / 8) * 8)
  return rounded < 0.9 * scaled ? rounded + 8 : rounded
}
