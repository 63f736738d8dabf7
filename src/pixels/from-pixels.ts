/** Reads the pixels of a page's picture for prediction in a browser, as readImage() does in Node. */
import { type Check, checkRecord } from '../ir/check-record.ts'
import { EffuseError } from '../ir/diagnostics.ts'
import { type Box, boxFor, cutBox, wholeBox } from './box.ts'
import { withChannels } from './grey.ts'
import { pictureChecks, type PictureOptions } from './picture-options.ts'
import { resized } from './resample.ts'

/** An ImageBitmap, a canvas or its ImageData, a video, an <img>, a VideoFrame, by the properties that have the size. */
export type PixelSource =
  | { readonly width: number; readonly height: number }
  | { readonly videoWidth: number; readonly videoHeight: number }
  | { readonly naturalWidth: number; readonly naturalHeight: number }
  | { readonly displayWidth: number; readonly displayHeight: number }

export interface FromPixelsOptions extends PictureOptions {
  /** Height and width of the result. Default: the picture's own, with `crop: 'none'`. */
  readonly size?: number | readonly [number, number] | undefined
  /**
   * 'center' (default if there is a size): the central square, size / (size + 32) of the shorter side, at least 7/8 of it, and all of it up to 64
   * pixels; 'none': the whole picture, with another aspect ratio if necessary.
   */
  readonly crop?: 'center' | 'none' | undefined
}

const checks: { readonly [K in keyof Required<FromPixelsOptions>]: Check } = pictureChecks

/**
 * The pixels of a picture for a network: RGB, 0 to 255, uint8, row-major [height,width,3], or grey [height,width,1] with `channels: 1`. Transparency
 * is dropped. It crops and resizes as readImage() of effuse/node does, so that pages and servers get the same pixels. Of a video it reads the current
 * picture.
 *
 * The pixels come from the browser, which applies colour profiles and multiplies by transparency. Networks are trained without both, so decode a file
 * by `createImageBitmap(blob, { colorSpaceConversion: 'none', premultiplyAlpha: 'none' })`.
 *
 * @throws EffuseError EF506 if there is no picture yet, or if it is from another site that does not allow reading; EF404 outside browsers; EF403
 * (options).
 * @example
 * const predict = async (canvas: PixelSource) => net.run({ image: fromPixels(canvas, { size: 224 }) })
 */
export const fromPixels = (source: PixelSource, options: FromPixelsOptions = {}): Uint8Array<ArrayBuffer> => {
  checkRecord('fromPixels()', '', options, checks)
  const [width, height] = sizeOf(source)
  if (!(width > 0 && height > 0))
    throw new EffuseError({
      code: 'EF506',
      message: `there is no picture yet: its size is ${width}x${height}`,
      hint: 'wait for it: `await image.decode()`, or the event loadeddata of a video',
    })
  const { size = [height, width], filter = 'triangle', channels = 3 } = options
  const to = typeof size === 'number' ? ([size, size] as const) : size
  const crop = options.crop ?? (options.size === undefined ? 'none' : 'center')
  const box = boxFor(crop, width, height, Math.max(...to))
  const data = pixelsOf(source, box)
  const picture = { width: box.width, height: box.height, channels: 3, data }
  return withChannels(resized(picture, wholeBox(box.width, box.height), to, { filter }), channels)
}

const sizeOf = (source: PixelSource): readonly [width: number, height: number] => {
  if ('videoWidth' in source) return [source.videoWidth, source.videoHeight]
  if ('naturalWidth' in source) return [source.naturalWidth, source.naturalHeight]
  return 'displayWidth' in source ? [source.displayWidth, source.displayHeight] : [source.width, source.height]
}

/** The box, [height,width,3], pixel for pixel. */
const pixelsOf = (source: PixelSource, box: Box): Uint8Array => {
  const rgba =
    'data' in source && source.data instanceof Uint8ClampedArray
      ? cutBox({ data: source.data, width: (source as ImageData).width, channels: 4 }, box)
      : drawn(source as CanvasImageSource, box) // everything except ImageData; the canvas throws for other objects
  const rgb = new Uint8Array((rgba.length / 4) * 3)
  for (let from = 0, to = 0; from < rgba.length; from += 4, to += 3) rgb.set(rgba.subarray(from, from + 3), to)
  return rgb
}

const drawn = (source: CanvasImageSource, { left, top, width, height }: Box): Uint8ClampedArray => {
  if (typeof OffscreenCanvas === 'undefined')
    throw new EffuseError({
      code: 'EF404',
      message: 'fromPixels() needs a canvas, and there is none here',
      hint: 'in Node use readImage() of effuse/node, or feed the pixels directly',
    })
  try {
    const context = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true })
    if (context === null) throw new Error('the browser provides no canvas to draw on')
    context.drawImage(source, left, top, width, height, 0, 0, width, height)
    return context.getImageData(0, 0, width, height).data
  } catch (cause) {
    throw new EffuseError({
      code: 'EF506',
      message: `the picture cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`,
      hint: "pictures of another site can be read only if it allows that (CORS) and they are loaded with crossOrigin = 'anonymous'",
      cause,
    })
  }
}
