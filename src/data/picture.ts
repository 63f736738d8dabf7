/** What a decoded picture is, and what decoding may cost. */
import type { PixelGrid } from '../pixels/resample.ts'

/** RGB, 0 to 255, row-major [height, width, 3]. */
export interface Picture extends PixelGrid {
  readonly channels: 3
}

/** `stored`: the values as they are in the file; `srgb`: converted by the embedded profile. */
export type Colours = 'stored' | 'srgb'

export interface DecodeOptions {
  readonly colors: Colours
  /** Pixels that a picture may have; more are refused by the header alone. */
  readonly maxPixels: number
  /** Seconds that decoding may take. */
  readonly timeLimit: number
}

/** What fits to training data: 64 megapixels decode to 192 MB. */
export const decodeDefaults: DecodeOptions = { colors: 'stored', maxPixels: 64e6, timeLimit: 30 }

export interface Decoded extends Picture {
  /** The file has a profile other than sRGB's, which `colors: 'stored'` does not heed. */
  readonly hasOtherProfile: boolean
}
