/**
 * Draws the random box of a training picture. The algorithm is TensorFlow's `sample_distorted_bounding_box`
 * (core/kernels/image/sample_distorted_bounding_box_op.cc, GenerateRandomCrop), with the whole picture as the only object, and with the
 * settings of NVIDIA's EfficientNet (ConvNets/dataloader/preprocessing.py):
 *
 * 1. It draws an aspect ratio (width over height) uniformly from its range.
 * 2. It rounds the heights for the smallest and the largest area at that ratio, half to even; it limits the largest to the picture, and the smallest
 *    to the largest. It draws a height uniformly between them, both ends included; the width is the rounded multiple of the height.
 *    Heights are therefore uniform, not areas: small boxes are rarer than with torchvision's RandomResizedCrop.
 * 3. If rounding made the box too small, it adds a row; if too large, it removes one. If the box still breaks a bound, or covers less than
 *    `coveredMin` of the picture, it draws again, up to `attempts` times, and then takes the whole picture.
 * 4. It draws left and top uniformly from 0 to the free space minus one. The last place is never drawn, as in TensorFlow.
 *
 * Like TensorFlow it computes in float32: the same random words give the same box (test/goldens/data/boxes.json).
 */
import { type Box, wholeBox } from '../pixels/box.ts'
import type { Draws } from './draws.ts'

export interface DistortedBoxOptions {
  /** The smallest and the largest share of the picture's area. */
  readonly area: readonly [number, number]
  /** The smallest and the largest ratio of width to height. */
  readonly aspect: readonly [number, number]
  /** The smallest share of the picture that a box may cover. It overrides a smaller lower end of `area`. */
  readonly coveredMin: number
  readonly attempts: number
}

/**
 * The options for boxes with the given share of the picture and the reference's aspect. Without `area`: for results of 122 pixels and more those of
 * the reference; below, the smallest share is 1 - size / 128, because a tenth of a small picture shows nothing recognisable.
 *
 * @param size The longer side of the result, in pixels.
 */
export const boxesFor = (size: number, area?: readonly [number, number]): DistortedBoxOptions => {
  if (area !== undefined) return { ...recipeBox, area, coveredMin: 0 } // the caller's bound is the only one
  const [least, most] = recipeBox.area
  return { ...recipeBox, area: [Math.max(least, 1 - size / 128), most] }
}

/** The reference's options. `coveredMin` is TensorFlow's default, so boxes of less than a tenth are never used, although `area` allows them. */
export const recipeBox: DistortedBoxOptions = { area: [0.05, 1], aspect: [0.75, 1.33], coveredMin: 0.1, attempts: 100 }

const f = Math.fround

/** @returns a box within a picture of `width` by `height`, which depends only on the arguments */
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

/** Steps 2 and 3; null if no box of this ratio keeps the bounds. */
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

/** The largest height whose width fits. */
const highest = (width: number, wanted: number, ratio: number, widthAt: (tall: number) => number): number => {
  if (widthAt(wanted) <= width) return wanted
  const found = Math.floor((width + 0.5 - f(1e-7)) / ratio)
  return widthAt(found) > width ? found - 1 : found // the division may have rounded up
}

/** Rounds like the processor, as C's lrint. */
const roundHalfEven = (x: number): number => {
  const low = Math.floor(x)
  const over = x - low
  return over < 0.5 || (over === 0.5 && low % 2 === 0) ? low : low + 1
}
