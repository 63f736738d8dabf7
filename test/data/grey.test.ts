/** Pictures for networks of one channel. */
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { readImage } from '../../src/data/read-image.ts'
import { fromPixels } from '../../src/pixels/from-pixels.ts'

/** Red, green, blue and a half-transparent white. An ImageData needs no canvas. */
const picture = {
  width: 2,
  height: 2,
  data: Uint8ClampedArray.of(255, 0, 0, 255, 0, 255, 0, 255, 0, 0, 255, 255, 255, 255, 255, 128),
}

test('fromPixels() converts to grey with the weights of BT.601, [height,width,1]', () => {
  expect([...fromPixels(picture, { channels: 1 })]).toEqual([76, 150, 29, 255])
  expect(fromPixels(picture, { channels: 3 }).length).toBe(12)
})

test('readImage() differs from the weighted sum of RGB by at most 1', async () => {
  const path = fileURLToPath(new URL('../goldens/photos/coffee.png', import.meta.url))
  const rgb = await readImage(path, { size: [10, 20] })
  const grey = await readImage(path, { size: [10, 20], channels: 1 })
  expect(grey.length).toBe(200)
  for (const [i, value] of grey.entries()) {
    const [r = 0, g = 0, b = 0] = rgb.subarray(3 * i, 3 * i + 3)
    expect(Math.abs(value - (0.299 * r + 0.587 * g + 0.114 * b))).toBeLessThanOrEqual(0.5 + 1e-9)
  }
})

test.each([{ channels: 2 }, { size: 0 }, { crop: 'box' }, { filter: 'cubic' }, { chanels: 1 }])(
  'wrong options of fromPixels() are named: %o',
  (options) => {
    const [name = ''] = Object.keys(options)
    expect(() => fromPixels(picture, options as never)).toThrow(
      expect.objectContaining({ code: 'EF403', message: expect.stringContaining(name) }),
    )
  },
)

test('readImage() accepts one or three channels', async () => {
  await expect(readImage('any.png', { size: 8, channels: 4 as never })).rejects.toMatchObject({
    code: 'EF403',
    message: expect.stringContaining('channels'),
  })
})
