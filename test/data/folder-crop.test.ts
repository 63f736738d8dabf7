/** How training pictures are cropped and mirrored, and that evaluation uses the matching crop. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { boxesFor } from '../../src/data/distorted-box.ts'
import { imageFolder } from '../../src/data/image-folder.ts'
import type { ImageFolderOptions } from '../../src/data/image-folder-options.ts'
import { readImage } from '../../src/data/read-image.ts'
import { all, folderOf, ramp, removeFolders } from './picture-folder.ts'

afterAll(removeFolders)

const [wide, tall] = [60, 44]
let ramps = ''
beforeAll(async () => {
  const picture = await ramp(wide, tall)
  ramps = await folderOf(Object.fromEntries(Array.from({ length: 40 }, (_, n) => [`a/${n}.png`, picture])))
})

const side = 12
/** For every row of an epoch: the visible share of the picture, and whether it is mirrored. */
const rowsOf = async (options: ImageFolderOptions) => {
  const { train } = await imageFolder(ramps, { holdout: 0.1, size: side, ...options })
  const batches = await all(train.batches({ batch: 1, epoch: 0 }))
  return batches.map(({ image }) => {
    // Red increases by 255 / 59 per pixel to the right, green by 255 / 43 per pixel down. A row of 12 spans 11 / 12 of the box.
    const at = (x: number, y: number, c: number) => image[(y * side + x) * 3 + c] ?? Number.NaN
    const [red, green] = [at(side - 1, 5, 0) - at(0, 5, 0), at(5, side - 1, 1) - at(5, 0, 1)]
    const shown = (rise: number, length: number) => (rise / 255) * ((length - 1) / length) * (side / (side - 1))
    return { image, isMirrored: red < 0, area: shown(Math.abs(red), wide) * shown(green, tall) }
  })
}

describe('crop', () => {
  test("'none' uses whole pictures in training and in tests", async () => {
    const path = (await imageFolder(ramps, { holdout: 0.1 })).test.files[0] ?? ''
    const whole = await readImage(path, { size: side, crop: 'none' })
    const rows = await rowsOf({ crop: 'none', flip: false })
    for (const { image } of rows) expect(image).toEqual(whole)
    const { test: held } = await imageFolder(ramps, { holdout: 0.1, size: side, crop: 'none' })
    for (const { image } of await all(held.batches({ batch: 1, epoch: 0 }))) expect(image).toEqual(whole)
  })
  test("'center' uses the center of every picture in training and in tests", async () => {
    const path = (await imageFolder(ramps, { holdout: 0.1 })).test.files[0] ?? ''
    const centre = await readImage(path, { size: side })
    for (const { image } of await rowsOf({ crop: 'center', flip: false })) expect(image).toEqual(centre)
    for (const crop of ['center', 'box', undefined] as const) {
      const { test: held } = await imageFolder(ramps, { holdout: 0.1, size: side, crop })
      for (const { image } of await all(held.batches({ batch: 1, epoch: 0 }))) expect(image).toEqual(centre)
    }
  })
  test('boxes respect cropArea, and for small sizes use large shares by default', async () => {
    const areas = async (options: ImageFolderOptions) => (await rowsOf(options)).map(({ area }) => area)
    // Rounding to integers and the filter's borders give an error of about a pixel.
    const small = await areas({ cropArea: [0.25, 0.3] })
    expect(Math.min(...small)).toBeGreaterThan(0.22)
    expect(Math.max(...small)).toBeLessThan(0.34)
    expect(new Set(small.map((area) => area.toFixed(3))).size).toBeGreaterThan(5)
    const large = await areas({})
    expect(Math.min(...large)).toBeGreaterThan(0.85)
    expect(new Set(large.map((area) => area.toFixed(3))).size).toBeGreaterThan(5)
    // Below a tenth, which the bound of the reference would reject.
    expect(Math.max(...(await areas({ cropArea: [0.03, 0.05] })))).toBeLessThan(0.08)
  })
  test('the smallest share equals that of the reference from 122 pixels on', () => {
    const least = (size: number) => boxesFor(size).area[0]
    expect([28, 32, 64, 96].map(least)).toEqual([0.78125, 0.75, 0.5, 0.25])
    expect([122, 128, 224, 600].map(least)).toEqual([0.05, 0.05, 0.05, 0.05])
  })
})

test('flip: false mirrors no picture; otherwise half are mirrored', async () => {
  const mirrored = async (options: ImageFolderOptions) =>
    (await rowsOf(options)).filter(({ isMirrored }) => isMirrored).length
  expect(await mirrored({ flip: false })).toBe(0)
  expect(Math.abs((await mirrored({ flip: true })) - 18)).toBeLessThan(12)
  expect(await mirrored({})).toBe(await mirrored({ flip: true }))
})

test('flip does not change the draws of the crop', async () => {
  const areas = async (flip: boolean) => (await rowsOf({ flip })).map(({ area }) => area.toFixed(1))
  expect(await areas(false)).toEqual(await areas(true))
})

test.each([
  [{ crop: 'middle' }, /"crop" must be 'box', 'center' or 'none', got "middle"/],
  [{ cropArea: [0, 1] }, /"cropArea" must be \[least, greatest\]/],
  [{ cropArea: [0.5, 0.4] }, /"cropArea" must be \[least, greatest\]/],
  [{ cropArea: [0.5, 1.5] }, /"cropArea" must be \[least, greatest\]/],
  [{ cropArea: 0.5 }, /"cropArea" must be \[least, greatest\]/],
  [{ cropArea: [0.5, 1], crop: 'none' }, /"cropArea" needs crop: 'box', got crop: 'none'/],
  [{ flip: 1 }, /"flip" must be true or false, got 1/],
])('%j is rejected', async (options, message) => {
  await expect(imageFolder(ramps, options as ImageFolderOptions)).rejects.toMatchObject({
    code: 'EF403',
    message: expect.stringMatching(message),
  })
})
