/** Turning a picture upright. */
import type { PixelGrid } from '../pixels/resample.ts'

/** For EXIF's orientations 1 to 8: whether rows and columns change places, and whether each then runs backwards. */
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

/** @param header its orientation is EXIF's, 1 to 8. */
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
