/** Converts stored values to RGB by Pillow's formulas, without colour profiles. Arrays are bytes [pixels,channels]. */

/** CMYK to RGB: for each colour (255 - black) * (1 - ink / 255). */
export const rgbOfCmyk = (data: Uint8Array): Uint8Array<ArrayBuffer> => {
  const out = new Uint8Array((data.length / 4) * 3)
  for (let from = 0, to = 0; from < data.length; from += 4) {
    const light = 255 - (data[from + 3] as number) // four bytes per pixel
    for (let c = 0; c < 3; c++) out[to++] = Math.max(0, light - by255((data[from + c] as number) * light))
  }
  return out
}

/** v / 255, rounded as in Pillow. */
const by255 = (v: number): number => {
  const sum = v + 128
  return ((sum >> 8) + sum) >> 8
}

/** Full-range BT.601, as in JPEG. */
export const rgbOfYcbcr = (data: Uint8Array): Uint8Array<ArrayBuffer> => {
  const out = new Uint8ClampedArray(data.length)
  for (let i = 0; i < data.length; i += 3) {
    const [y, cb, cr] = [data[i] as number, (data[i + 1] as number) - 128, (data[i + 2] as number) - 128] // three bytes per pixel
    out[i] = y + 1.402 * cr
    out[i + 1] = y - 0.344136 * cb - 0.714136 * cr
    out[i + 2] = y + 1.772 * cb
  }
  return new Uint8Array(out.buffer)
}

/** The first three channels. One or two channels are grey, which is repeated. */
export const rgbOf = (data: Uint8Array, channels: number): Uint8Array<ArrayBuffer> => {
  if (channels === 3 && data.buffer instanceof ArrayBuffer)
    return new Uint8Array(data.buffer, data.byteOffset, data.length)
  const out = new Uint8Array((data.length / channels) * 3)
  const isGrey = channels < 3
  for (let from = 0, to = 0; from < data.length; from += channels)
    for (let c = 0; c < 3; c++) out[to++] = data[from + (isGrey ? 0 : c)] as number // `channels` bytes per pixel
  return out
}
