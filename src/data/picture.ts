/** Decoded pictures, and the limits of decoding. */
import type { PixelGrid } from '../pixels/resample.ts'

/** RGB, 0 to 255, row-major [height, width, 3]. */
export interface Picture extends PixelGrid {
  readonly channels: 3
}

/** `stored`: the values in the file; `srgb`: the values converted by the embedded profile. */
export type Colours = 'stored' | 'srgb'

export interface DecodeOptions {
  readonly colors: Colours
  /** The maximum number of pixels. A picture with more is rejected by its header. */
  readonly maxPixels: number
  /** The maximum number of seconds for decoding. */
  readonly timeLimit: number
}

/** Limits for training data: 64 megapixels decode to 192 MB. */
export const decodeDefaults: DecodeOptions = { colors: 'stored', maxPixels: 64e6, timeLimit: 30 }

export interface Decoded extends Picture {
  /** Whether the file has a profile other than sRGB's, which `colors: 'stored'` does not apply. */
  readonly hasOtherProfile: boolean
}
