/** Applies the orientation of pictures that are stored rotated or mirrored. */
import type { Box } from '../pixels/box.ts'
import type { PixelGrid } from '../pixels/resample.ts'

/** For EXIF's orientations 1 to 8: whether rows and columns are exchanged, and whether each is then reversed. */
const turns: readonly (readonly [isTurned: boolean, fromRight: boolean, fromBottom: boolean])[] = [
  [false, false, false],
  [false, true, false],
  [false, true, true],
  [false, false, true],
  [true, false, false],
  [true, true, false],
  [true, true, true],
  [true, false, true],
]

/** @param header Has EXIF's orientation, 1 to 8. */
export const upright = <P extends PixelGrid>(picture: P, { orientation }: { readonly orientation: number }): P => {
  const turn = turns[orientation - 1]
  if (orientation === 1 || turn === undefined) return picture
  const [isTurned, fromRight, fromBottom] = turn
  const { channels, data } = picture
  const [width, height] = isTurned ? [picture.height, picture.width] : [picture.width, picture.height]
  const out = new Uint8Array(data.length)
  let to = 0
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const [u, v] = [fromRight ? width - 1 - x : x, fromBottom ? height - 1 - y : y]
      const [column, row] = isTurned ? [v, u] : [u, v]
      const from = (row * picture.width + column) * channels
      for (let c = 0; c < channels; c++) out[to++] = data[from + c] as number // within the picture
    }
  return { ...picture, width, height, data: out }
}

/** The size of the upright picture. */
export const uprightSize = ({ width, height, orientation }: Stored): Pick<Stored, 'width' | 'height'> =>
  turns[orientation - 1]?.[0] === true ? { width: height, height: width } : { width, height }

/** The stored part of a box in the upright picture: upright() of that part gives the box. */
export const storedBox = (box: Box, stored: Stored): Box => {
  const [isTurned, fromRight, fromBottom] = turns[stored.orientation - 1] ?? [false, false, false]
  const { width, height } = uprightSize(stored)
  const left = fromRight ? width - box.left - box.width : box.left
  const top = fromBottom ? height - box.top - box.height : box.top
  return isTurned ? { left: top, top: left, width: box.height, height: box.width } : { ...box, left, top }
}

/** A picture's header: size and EXIF's orientation, 1 to 8. */
interface Stored {
  readonly width: number
  readonly height: number
  readonly orientation: number
}
