/** Batches from folders: their content, which depends only on seed and epoch. */
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { boxesFor, distortedBox } from '../../src/data/distorted-box.ts'
import { rowDraws, shuffled } from '../../src/data/draws.ts'
import type { ImageFolderSource } from '../../src/data/folder-source.ts'
import { imageFolder } from '../../src/data/image-folder.ts'
import type { Augment, ImageFolderOptions } from '../../src/data/image-folder-options.ts'
import { readImage } from '../../src/data/read-image.ts'
import type { LabelledRequest } from '../../src/data/request.ts'
import { resized } from '../../src/pixels/resample.ts'
import { crossEntropy } from '../../src/passes/train/losses.ts'
import { adam } from '../../src/passes/train/optimizers.ts'
import { fit } from '../../src/train/fit.ts'
import { smallNet } from '../train/small-data.ts'
import { wholeBox } from '../../src/pixels/box.ts'
import { all, flat, folderOf, ramp, removeFolders, values } from './picture-folder.ts'

afterAll(removeFolders)

const bytesOf = async (source: ImageFolderSource, request: LabelledRequest): Promise<Buffer> =>
  Buffer.concat(
    (await all(source.batches(request))).flatMap(({ image, label }) => [image, new Uint8Array(label.buffer)]),
  )

const [wide, tall] = [60, 44]
/** 24 pictures for training and 6 for tests, each with one color: 8 n + class. */
let flats = ''
let ramps = ''
beforeAll(async () => {
  const names = Array.from({ length: 30 }, (_, n) => ({ n, path: `${n < 24 ? 'train' : 'val'}/c${n % 3}/${n}.png` }))
  flats = await folderOf(
    Object.fromEntries(await Promise.all(names.map(async ({ n, path }) => [path, await flat(8 * n + (n % 3))]))),
  )
  const picture = await ramp(wide, tall)
  ramps = await folderOf(Object.fromEntries(Array.from({ length: 40 }, (_, n) => [`a/${n}.png`, picture])))
})

describe('an epoch', () => {
  test('has every picture once, with its label, in an order that depends on seed and epoch', async () => {
    const { train, test } = await imageFolder(flats, { size: 6 })
    const epochOf = async (request: LabelledRequest) => {
      const batches = await all(train.batches(request))
      const labels = batches.flatMap(({ label }) => [...label])
      const found = values(batches, 6 * 6 * 3)
      found.forEach((value, row) => expect(value % 8).toBe(labels[row]))
      return found
    }
    const first = await epochOf({ batch: 7, epoch: 0, seed: 3 })
    const places = shuffled(24, 3, 0)
    const sorted = [0, 1, 2].flatMap((c) =>
      Array.from({ length: 8 }, (_, i) => c + 3 * i).sort((a, b) => (String(a) < String(b) ? -1 : 1)),
    )
    expect(first).toEqual(Array.from(places, (i) => 8 * (sorted[i] ?? -1) + ((sorted[i] ?? 0) % 3)))
    expect(await epochOf({ batch: 24, epoch: 0, seed: 3 })).toEqual(first)
    for (const other of [await epochOf({ batch: 7, epoch: 1, seed: 3 }), await epochOf({ batch: 7, epoch: 0 })]) {
      expect(other).not.toEqual(first)
      expect([...other].sort()).toEqual([...first].sort())
    }
    const held = await all(test.batches({ batch: 4, epoch: 5, seed: 9 }))
    expect(held.map(({ image, label }) => [image.length, label.length])).toEqual([
      [4 * 108, 4],
      [2 * 108, 2],
    ])
    expect(values(held, 108)).toEqual([24, 27, 25, 28, 26, 29].map((n) => 8 * n + (n % 3)))
  })
  test('does not depend on concurrency, prefetch and batch size', async () => {
    const request = { epoch: 2, seed: 11 }
    const images = async (options: ImageFolderOptions, batch: number) => {
      const { train } = await imageFolder(ramps, { holdout: 0.1, size: 12, ...options })
      const batches = await all(train.batches({ ...request, batch }))
      return Buffer.concat(batches.map(({ image }) => image))
    }
    const whole = await images({ concurrency: 1, prefetch: 1 }, 36)
    expect((await images({ concurrency: 8 }, 36)).equals(whole)).toBe(true)
    expect((await images({ concurrency: 8, prefetch: 5 }, 5)).equals(whole)).toBe(true)
    expect((await images({ concurrency: 1 }, 1)).equals(whole)).toBe(true)
  })
  test('continues after skip as if the first batches had been read', async () => {
    for (const part of ['train', 'test'] as const) {
      const { [part]: source } = await imageFolder(ramps, { holdout: 0.5, size: 10 })
      const request = { batch: 3, epoch: 1, seed: 4 }
      const batches = await all(source.batches(request))
      expect(batches).toHaveLength(7)
      expect(await all(source.batches({ ...request, skip: 4 }))).toEqual(batches.slice(4))
      expect(await all(source.batches({ ...request, skip: 7 }))).toEqual([])
    }
  })
  test('two concurrent epochs do not affect each other', async () => {
    const { train } = await imageFolder(ramps, { holdout: 0.5, size: 8, concurrency: 3 })
    const requests = [1, 2, 1].map((seed) => ({ batch: 4, epoch: 0, seed }))
    const [one, two, again] = await Promise.all(requests.map((request) => bytesOf(train, request)))
    expect(one).toEqual(again)
    expect(one).not.toEqual(two)
  })
})

describe('training pictures', () => {
  test('follow the recipe: the box of the row, mirrored by a separate draw, resized', async () => {
    const { train } = await imageFolder(ramps, { holdout: 0.1, filter: 'bilinear' })
    const at = { seed: 8, epoch: 3 }
    const rows: Uint8Array[] = []
    for await (const { image } of train.batches({ ...at, batch: 1, size: [9, 14] })) rows.push(image)
    const picture = await ramp(wide, tall)
    for (const [row, found] of rows.entries()) {
      const box = distortedBox(wide, tall, rowDraws({ ...at, row, purpose: 'crop' }), boxesFor(14))
      const isMirrored = rowDraws({ ...at, row, purpose: 'flip' }).below(2) === 1
      const part = sharp(picture).extract({ ...box })
      const data = await (isMirrored ? sharp(await part.png().toBuffer()).flop() : part).raw().toBuffer()
      const cut = { width: box.width, height: box.height, channels: 3, data }
      expect(found).toEqual(resized(cut, wholeBox(box.width, box.height), [9, 14], { filter: 'bilinear' }))
    }
  })
  test('stay within area and aspect; half are mirrored, and none is upside down', async () => {
    const { train } = await imageFolder(ramps, { holdout: 0.1, size: 12, cropArea: [0.1, 1] })
    const rows: { readonly isMirrored: boolean; readonly area: number; readonly aspect: number }[] = []
    for (let epoch = 0; epoch < 20; epoch++)
      for await (const { image } of train.batches({ batch: 1, epoch })) {
        // Red increases by 255 / 59 per pixel to the right, green by 255 / 43 per pixel down. A row of 12 spans 11 / 12 of the box.
        const at = (x: number, y: number, c: number) => image[(y * 12 + x) * 3 + c] ?? Number.NaN
        const [red, green] = [at(11, 5, 0) - at(0, 5, 0), at(5, 11, 1) - at(5, 0, 1)]
        const [width, height] = [(Math.abs(red) * (59 / 255) * 12) / 11, (green * (43 / 255) * 12) / 11]
        rows.push({ isMirrored: red < 0, area: (width * height) / (wide * tall), aspect: width / height })
      }
    expect(rows).toHaveLength(720)
    // Rounding to integers and the filter's borders give an error of about a pixel.
    expect(Math.min(...rows.map(({ area }) => area))).toBeGreaterThan(0.08)
    expect(Math.max(...rows.map(({ area }) => area))).toBeLessThan(1.05)
    expect(Math.min(...rows.map(({ aspect }) => aspect))).toBeGreaterThan(0.75 * 0.88)
    expect(Math.max(...rows.map(({ aspect }) => aspect))).toBeLessThan(1.33 * 1.14)
    expect(new Set(rows.map(({ area }) => area.toFixed(2))).size).toBeGreaterThan(40)
    const mirrored = rows.filter(({ isMirrored }) => isMirrored).length
    expect(Math.abs(mirrored - 360)).toBeLessThan(4 * Math.sqrt(720 / 4))
  })
  test('are passed to augment, with random draws and the strength of the request', async () => {
    const strengths = new Set<number | undefined>()
    const augment: Augment = ({ data, ...picture }, { strength, draws }) => {
      strengths.add(strength)
      return { ...picture, data: data.map(() => draws.below(256)) }
    }
    const { train, test } = await imageFolder(flats, { size: 4, augment })
    const request = { batch: 24, epoch: 0, augmentation: 2.5 }
    const once = await bytesOf(train, request)
    expect(await bytesOf((await imageFolder(flats, { size: 4, augment, concurrency: 1 })).train, request)).toEqual(once)
    expect(new Set(once.subarray(0, 48)).size).toBeGreaterThan(30)
    expect([...strengths]).toEqual([2.5])
    expect(values(await all(test.batches(request)), 48)[0]).toBe(8 * 24)
    const { train: wrong } = await imageFolder(flats, { size: 4, augment: (p) => ({ ...p, data: p.data.subarray(3) }) })
    await expect(all(wrong.batches(request))).rejects.toMatchObject({
      code: 'EF403',
      message: 'option "augment" must return a picture of [4,4,3] bytes, it returned 45',
    })
  })
  test('reject a strength without an augment function', async () => {
    const { train, test } = await imageFolder(flats)
    expect(() => train.batches({ batch: 1, epoch: 0, augmentation: 3 })).toThrow(
      expect.objectContaining({ code: 'EF403', message: expect.stringContaining('"augmentation" is 3') }),
    )
    for (const source of [train, test]) source.batches({ batch: 1, epoch: 0, augmentation: 0 })
  })
})

describe('pictures', () => {
  test('of tests equal those of readImage', async () => {
    const { test } = await imageFolder(ramps, { holdout: 0.1 })
    for (const [size, filter, channels] of [
      [20, 'triangle', 3],
      [[30, 50], 'bilinear', 3],
      [20, 'triangle', 1],
    ] as const) {
      const { test: source } = await imageFolder(ramps, { holdout: 0.1, size, filter, channels })
      const [batch] = await all(source.batches({ batch: 4, epoch: 0 }))
      const [path = ''] = test.files
      const expected = await readImage(path, { size, filter, channels })
      if (size === 20) expect(expected.length).toBe(400 * channels)
      expect(batch?.image.subarray(0, expected.length)).toEqual(expected)
    }
  })
  test('are 224 by 224 by default, or have the size of the option or of the request', async () => {
    const lengthOf = async (options: ImageFolderOptions, size?: readonly [number, number]) =>
      (await all((await imageFolder(flats, options)).test.batches({ batch: 1, epoch: 0, size })))[0]?.image.length
    expect(await lengthOf({})).toBe(224 * 224 * 3)
    expect(await lengthOf({ size: [5, 6] })).toBe(90)
    expect(await lengthOf({ size: 100 }, [7, 8])).toBe(168)
    expect(await lengthOf({ channels: 1 }, [7, 8])).toBe(56)
  })
  test('of one channel are grey', async () => {
    const root = await folderOf({ 'a/1.png': await ramp(30, 20), 'a/2.png': await ramp(30, 20) })
    const [colour, grey] = await Promise.all(
      ([3, 1] as const).map(async (channels) => {
        const { train } = await imageFolder(root, { holdout: 0.5, channels, size: 8 })
        return (await all(train.batches({ batch: 1, epoch: 0 })))[0]?.image ?? expect.unreachable()
      }),
    )
    const expected = Array.from({ length: 64 }, (_, i) => {
      const [r = 0, g = 0, b = 0] = [...(colour ?? []).slice(3 * i, 3 * i + 3)]
      return Math.round(0.299 * r + 0.587 * g + 0.114 * b)
    })
    expect([...(grey ?? [])]).toEqual(expected)
  })
  test('of every format are read', async () => {
    const raw = sharp(await flat(120))
    const files = {
      'a/deep.png': await raw.clone().toColourspace('rgb16').png().toBuffer(),
      'a/grey.jpg': await raw.clone().greyscale().jpeg().toBuffer(),
      'a/first.jfif': await raw.clone().jpeg().toBuffer(),
      'a/palette.png': await raw.clone().png({ palette: true }).toBuffer(),
      'a/through.webp': await raw.clone().ensureAlpha(0.5).webp({ lossless: true }).toBuffer(),
      'a/turned.jpg': await raw.clone().withMetadata({ orientation: 8 }).jpeg().toBuffer(),
      'a/moving.gif': await raw.clone().gif().toBuffer(),
      'a/misnamed.tif': await raw.clone().avif({ lossless: true }).toBuffer(),
    }
    const { train } = await imageFolder(await folderOf(files), { holdout: 0.1, size: 5, maxCorrupt: 0 })
    const batches = await all(train.batches({ batch: 3, epoch: 0 }))
    const found = Buffer.concat(batches.map(({ image }) => image))
    expect(found.length).toBe(7 * 75)
    expect(found.every((v) => Math.abs(v - 120) < 16)).toBe(true)
  })
})

test('fit learns from a folder and tests on it', async () => {
  const files = await Promise.all(
    Array.from({ length: 36 }, async (_, n) => {
      const kind = n % 3
      const path = `${n < 27 ? 'train' : 'test'}/${['black', 'grey', 'white'][kind]}/${n}.png`
      return [path, await flat(100 * kind + n)] as const
    }),
  )
  const data = await imageFolder(await folderOf(Object.fromEntries(files)), { channels: 1, size: 8 })
  using run = await fit(smallNet({ dropout: 0, stochasticDepth: 0, batchNorm: { momentum: 0.5 } }), {
    data,
    loss: crossEntropy(),
    optimizer: adam({ learningRate: 0.01 }),
    epochs: 12,
    batch: 9,
    backend: 'tfjs-wasm',
  })
  expect([run.epochs, run.steps, run.top1]).toEqual([12, 36, 1])
})
