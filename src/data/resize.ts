/** A part of a picture, at the size that the network takes. */
import { type Box, cutBox } from '../pixels/box.ts'
import { loadSharp, type Picture, rgb } from './decode.ts'
import { resample, type ResizeFilter, rounded } from '../pixels/resample.ts'

export interface ResizeOptions {
  readonly filter: ResizeFilter
  /** Left and right exchanged. Default false. */
  readonly isMirrored?: boolean | undefined
}

/** The box at another size, [height, width, 3]. */
export const resizedPart = async (
  picture: Picture,
  box: Box,
  [height, width]: readonly [number, number],
  { filter, isMirrored = false }: ResizeOptions,
): Promise<Uint8Array<ArrayBuffer>> => {
  // sharp's linear kernel shrinks as the triangle does, many times faster on large photographs; what it enlarges lies half a pixel to the side.
  if (filter === 'triangle' && height <= box.height && width <= box.width) {
    const data = await shrunkPart(picture, box, [height, width])
    return isMirrored ? mirrored({ width, height, channels: 3, data }).data : data
  }
  // Mirrored first, as the reference does it: the bilinear filter gives another picture the other way round.
  const part: Picture = { width: box.width, height: box.height, channels: 3, data: cutBox(picture, box) }
  return rounded(resample(isMirrored ? mirrored(part) : part, [height, width], filter))
}

const shrunkPart = async (
  picture: Picture,
  { left, top, width, height }: Box,
  to: readonly [number, number],
): Promise<Uint8Array<ArrayBuffer>> => {
  const sharp = await loadSharp()
  // Pixels that are upright already: in one pipeline extract() would cut before the orientation is applied.
  const { data, info } = await sharp(picture.data, {
    raw: { width: picture.width, height: picture.height, channels: 3 },
  })
    .extract({ left, top, width, height })
    .resize(to[1], to[0], { kernel: 'linear', fit: 'fill' })
    .toColourspace('srgb')
    .raw()
    .toBuffer({ resolveWithObject: true })
  return rgb(data, info.channels)
}

const mirrored = ({ data, width, height }: Picture): Picture & { readonly data: Uint8Array<ArrayBuffer> } => {
  const out = new Uint8Array(data.length)
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      for (let c = 0; c < 3; c++) out[(y * width + width - 1 - x) * 3 + c] = data[(y * width + x) * 3 + c] as number // within both
  return { width, height, channels: 3, data: out }
}
