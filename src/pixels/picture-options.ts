/** Options that readImage() and fromPixels() share. */
import { type Check, isCount } from '../ir/check-record.ts'
import { channelsCheck, type PictureChannels } from './grey.ts'
import type { ResizeFilter } from './resample.ts'

export interface PictureOptions {
  /** The resize filter: 'triangle' (default), or 'bilinear' for weights that were trained with it. */
  readonly filter?: ResizeFilter | undefined
  /** 3 (default): RGB; 1: grey by the weights of BT.601, as in imageFolder(). */
  readonly channels?: PictureChannels | undefined
}

export const pictureChecks = {
  size: [
    'a positive integer, or [height, width]',
    (v) => isCount(v) || (Array.isArray(v) && v.length === 2 && v.every(isCount)),
  ],
  crop: ["'center' or 'none'", (v) => v === 'center' || v === 'none'],
  filter: ["'triangle' or 'bilinear'", (v) => v === 'triangle' || v === 'bilinear'],
  channels: channelsCheck,
} as const satisfies { readonly [name: string]: Check }
