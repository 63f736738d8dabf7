/** Selects the part of a picture to use. */

/** A part of a picture, in pixels. */
export interface Box {
  readonly left: number
  readonly top: number
  readonly width: number
  readonly height: number
}

export const wholeBox = (width: number, height: number): Box => ({ left: 0, top: 0, width, height })

/** Crops for prediction and evaluation: the central square, or none. */
export const fixedCrops = ['center', 'none'] as const
export type FixedCrop = (typeof fixedCrops)[number]

/** Crops for training: also a random box. */
export const folderCrops = ['box', ...fixedCrops] as const
export type FolderCrop = (typeof folderCrops)[number]

/** The crop of evaluation and prediction after training with a crop. It is never a random box. */
export const fixedCropOf = (crop: FolderCrop): FixedCrop => (crop === 'none' ? 'none' : 'center')

/** Is it a pair of the smallest and the largest share of a picture, above 0 and up to 1? */
export const isCropArea = (value: unknown): boolean => {
  if (!Array.isArray(value) || value.length !== 2) return false
  const [least, greatest]: readonly unknown[] = value
  return typeof least === 'number' && typeof greatest === 'number' && 0 < least && least <= greatest && greatest <= 1
}

/** The central square of evaluation, or the whole picture. */
export const boxFor = (crop: FixedCrop, width: number, height: number, size: number): Box =>
  crop === 'center' ? centreBox(width, height, size) : wholeBox(width, height)

/** The pixels of a box, row-major [height,width,channels]. */
export const cutBox = (
  picture: { readonly data: Uint8Array | Uint8ClampedArray; readonly width: number; readonly channels: number },
  box: Box,
): Uint8Array<ArrayBuffer> => {
  const { data, width, channels } = picture
  const out = new Uint8Array(box.width * box.height * channels)
  for (let y = 0; y < box.height; y++) {
    const from = ((box.top + y) * width + box.left) * channels
    out.set(data.subarray(from, from + box.width * channels), y * box.width * channels)
  }
  return out
}

/**
 * The crop of evaluation: the central square of size / (size + 32) of the shorter side, as in the reference, but at least 7/8 of it, which is the
 * share at 224. Below 128 pixels the share grows, up to the whole side from 64 down: by the reference's share only half would be left at 32, while
 * small pictures usually show only their object, and training crops little of them (boxesFor()).
 */
export const centreBox = (width: number, height: number, size: number): Box => {
  // Integer arithmetic, because rounding of size / (size + 32) could lose a pixel.
  const shorter = Math.min(width, height)
  const ofSmall = Math.floor((shorter * Math.min(512, 576 - size)) / 512) // 7/8 at 128, all at 64
  const side = Math.max(1, Math.floor((size * shorter) / (size + 32)), Math.floor((7 * shorter) / 8), ofSmall)
  return {
    left: Math.floor((width - side + 1) / 2),
    top: Math.floor((height - side + 1) / 2),
    width: side,
    height: side,
  }
}
