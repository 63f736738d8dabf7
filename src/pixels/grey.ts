/** Converts RGB to grey, for networks with one channel. */
import type { Check } from '../ir/check-record.ts'

/** 3: RGB; 1: grey. */
export type PictureChannels = 1 | 3
export const channelsCheck: Check = ['1 or 3', (v) => v === 1 || v === 3]

/** Converts to grey by the weights of ITU-R BT.601, as in Pillow and TensorFlow: [pixels, 3] to [pixels]. */
export const grey = (data: Uint8Array): Uint8Array<ArrayBuffer> => {
  const out = new Uint8Array(data.length / 3)
  for (let i = 0; i < out.length; i++) {
    const [red, green, blue] = [data[3 * i] as number, data[3 * i + 1] as number, data[3 * i + 2] as number] // three bytes per pixel
    out[i] = Math.round((299 * red + 587 * green + 114 * blue) / 1000)
  }
  return out
}

/** Converts an RGB picture to the given number of channels. */
export const withChannels = (rgb: Uint8Array<ArrayBuffer>, channels: PictureChannels): Uint8Array<ArrayBuffer> =>
  channels === 1 ? grey(rgb) : rgb
