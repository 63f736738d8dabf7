/**
 * The part of a training picture that is used: a random box. The algorithm is TensorFlow's `sample_distorted_bounding_box`
 * (core/kernels/image/sample_distorted_bounding_box_op.cc, GenerateRandomCrop), with the whole picture as the only object, and with the
 * settings of NVIDIA's EfficientNet (ConvNets/dataloader/preprocessing.py). In words:
 *
 * 1. An aspect ratio (width over height) is drawn evenly from its range.
 * 2. The heights that give the least and the greatest area at that ratio are rounded, half to even; the greatest is lowered to what fits the
 *    picture, the least to the greatest. A height is drawn evenly between them, both ends included; the width is its rounded multiple.
 *    So heights are even, not areas: small boxes are rarer than with torchvision's RandomResizedCrop.
 * 3. If rounding made the box too small it grows by one row, if too large it loses one. If it still breaks a bound, or covers less than
 *    `coveredMin` of the picture, it is drawn anew, up to `attempts` times; then the whole picture is taken.
 * 4. Left and top are drawn evenly from 0 to what is free, less one: the last place is never taken. So it is in TensorFlow.
 *
 * TensorFlow computes in float32, and so does this: the same words give the same box, to the pixel (test/goldens/data/boxes.json).
 */
import { type Box, wholeBox } from '../pixels/box.ts'
import type { Draws } from './draws.ts'

export interface DistortedBoxOptions {
  /** Least and greatest share of the picture's area. */
  readonly area: readonly [number, number]
  /** Least and greatest width over height. */
  readonly aspect: readonly [number, number]
  /** Least share of the picture that a box must cover. Above area's lower end it is what counts. */
  readonly coveredMin: number
  readonly attempts: number
}

/**
 * Boxes of a share of the picture, of the reference's aspect. Without `area`, the reference's for results of 122 pixels and more; below, the
 * least share is 1 - size / 128: what is resized to few pixels shows little as a whole, and a tenth of it nothing.
 *
 * @param size The longer side of the result, in pixels.
 */
export const boxesFor = (size: number, area?: readonly [number, number]): DistortedBoxOptions => {
  if (area !== undefined) return { ...recipeBox, area, coveredMin: 0 } // no second bound beside the one that was asked for
  const [least, most] = recipeBox.area
  return { ...recipeBox, area: [Math.max(least, 1 - size / 128), most] }
}

/** The reference's. `coveredMin` is also TensorFlow's default, so boxes of less than a tenth are never used, whatever `area` says. */
export const recipeBox: DistortedBoxOptions = { area: [0.05, 1], aspect: [0.75, 1.33], coveredMin: 0.1, attempts: 100 }

const f = Math.fround

/** @returns a box within a picture of `width` by `height`; which one depends on these and on `draws` alone. */
export const distortedBox = (
  width: number,
  height: number,
  draws: Draws,
  { area, aspect, coveredMin, attempts }: DistortedBoxOptions = recipeBox,
): Box => {
  const [narrow, wide] = [f(aspect[0]), f(aspect[1])]
  const areas = { least: f(f(f(area[0]) * width) * height), most: f(f(f(area[1]) * width) * height) }
  for (let attempt = 0; attempt < attempts; attempt++) {
    const ratio = f(f(draws.unit() * f(wide - narrow)) + narrow)
    const size = sizeOf(width, height, ratio, areas, draws)
    if (size === null) continue
    const top = size.height < height ? draws.below(height - size.height) : 0
    const left = size.width < width ? draws.below(width - size.width) : 0
    if (f(f(size.width * size.height) / f(width * height)) >= f(coveredMin)) return { left, top, ...size }
  }
  return wholeBox(width, height)
}

/** Steps 2 and 3: null where no box of this ratio keeps the bounds. */
const sizeOf = (
  width: number,
  height: number,
  ratio: number,
  areas: { readonly least: number; readonly most: number },
  draws: Draws,
): Pick<Box, 'width' | 'height'> | null => {
  const widthAt = (tall: number): number => roundHalfEven(f(tall * ratio))
  const areaAt = (tall: number): number => f(widthAt(tall) * tall)
  const most = Math.min(height, highest(width, roundHalfEven(f(Math.sqrt(f(areas.most / ratio)))), ratio, widthAt))
  const least = Math.min(most, roundHalfEven(f(Math.sqrt(f(areas.least / ratio)))))
  let tall = least < most ? least + draws.below(most - least + 1) : most
  if (areaAt(tall) < areas.least) tall++
  if (areaAt(tall) > areas.most) tall--
  const size = { width: widthAt(tall), height: tall }
  const fits = size.width > 0 && tall > 0 && size.width <= width && tall <= height
  return fits && areaAt(tall) >= areas.least && areaAt(tall) <= areas.most ? size : null
}

/** The greatest height whose width fits. */
const highest = (width: number, wanted: number, ratio: number, widthAt: (tall: number) => number): number => {
  if (widthAt(wanted) <= width) return wanted
  const found = Math.floor((width + 0.5 - f(1e-7)) / ratio)
  return widthAt(found) > width ? found - 1 : found // the division may have rounded up
}

/** The processor's own rounding: C's lrint. */
const roundHalfEven = (x: number): number => {
  const low = Math.floor(x)
  const over = x - low
  return over < 0.5 || (over === 0.5 && low % 2 === 0) ? low : low + 1
}
