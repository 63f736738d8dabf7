/** Decoding a part of a picture gives the same pixels as the whole picture. */
import fc from 'fast-check'
import sharp, { type Sharp } from 'sharp'
import { afterAll, describe, expect, test } from 'vitest'
import { decode } from '../../src/data/decode.ts'
import { imageFolder } from '../../src/data/image-folder.ts'
import { doJob, type PictureJob } from '../../src/data/picture-job.ts'
import { decodeDefaults } from '../../src/data/picture.ts'
import { type Box, cutBox } from '../../src/pixels/box.ts'
import { all, folderOf, removeFolders } from './picture-folder.ts'

afterAll(removeFolders)

const [width, height] = [53, 38]
/** No two rows, columns or channels are equal. */
const pixels = Uint8Array.from({ length: width * height * 3 }, (_, i) => {
  const [x, y, c] = [Math.floor(i / 3) % width, Math.floor(i / 3 / width), i % 3]
  return Math.round(127 + 60 * Math.sin((x * (c + 1)) / 5) + 60 * Math.cos((y * (3 - c)) / 4 + x))
})
const rgb = (): Sharp => sharp(pixels, { raw: { width, height, channels: 3 } })

const kinds: readonly (readonly [name: string, make: (raw: Sharp) => Sharp])[] = [
  ['JPEG', (raw) => raw.jpeg()],
  ['JPEG without subsampled colours', (raw) => raw.jpeg({ chromaSubsampling: '4:4:4' })],
  ['progressive JPEG', (raw) => raw.jpeg({ progressive: true })],
  ['grey JPEG', (raw) => raw.greyscale().jpeg()],
  ['CMYK JPEG', (raw) => raw.toColourspace('cmyk').jpeg()],
  ['JPEG with a profile', (raw) => raw.withIccProfile('p3').jpeg()],
  ['PNG', (raw) => raw.png()],
  ['interlaced PNG', (raw) => raw.png({ progressive: true })],
  ['PNG with transparency', (raw) => raw.ensureAlpha(0.25).png()],
  ['PNG with a palette', (raw) => raw.png({ palette: true })],
  ['grey PNG of 16 bits', (raw) => raw.greyscale().toColourspace('grey16').png()],
  ['WebP', (raw) => raw.webp()],
  ['GIF', (raw) => raw.gif()],
  ['TIFF', (raw) => raw.tiff({ compression: 'lzw' })],
]

/** Boxes in a picture of this size, including edges and single pixels. */
const boxes = ([wide, high]: readonly [number, number]): fc.Arbitrary<Box> =>
  fc.tuple(...[wide, wide, high, high].map((n) => fc.nat(n - 1))).map((drawn) => {
    const [a, b, c, d] = drawn as [number, number, number, number] // four numbers were drawn
    return {
      left: Math.min(a, b),
      top: Math.min(c, d),
      width: Math.abs(a - b) + 1,
      height: Math.abs(c - d) + 1,
    }
  })

describe.each(kinds)('%s', (name, make) => {
  test.each(['stored', 'srgb'] as const)('of every orientation, colors %s', async (colors) => {
    const options = { ...decodeDefaults, colors }
    for (let orientation = 1; orientation <= 8; orientation++) {
      const bytes = await make(rgb()).withMetadata({ orientation }).toBuffer()
      const whole = await decode(bytes, name, options)
      const isTurned = whole.width === height
      if (/JPEG|PNG/.test(name)) expect(isTurned).toBe(orientation > 4)
      await fc.assert(
        fc.asyncProperty(boxes([whole.width, whole.height]), async (box) => {
          const asked: unknown[] = []
          const part = await decode(bytes, name, options, (...size) => {
            asked.push(size)
            return box
          })
          expect(asked).toEqual([isTurned ? [height, width] : [width, height]])
          expect([part.width, part.height, part.hasOtherProfile]).toEqual([
            box.width,
            box.height,
            whole.hasOtherProfile,
          ])
          expect(Buffer.compare(part.data, cutBox(whole, box))).toBe(0)
        }),
        { numRuns: 12 },
      )
    }
  })
})

describe('a file whose lower part is damaged', () => {
  const cutOff = async (): Promise<Buffer> => {
    const whole = await rgb().jpeg({ quality: 95 }).toBuffer()
    return whole.subarray(0, Math.floor(whole.length * 0.8))
  }
  const jobOf = (path: string, more: Partial<PictureJob>): PictureJob => ({
    ...{ path, size: [8, 8], channels: 3, filter: 'triangle', crop: 'box', cropArea: [0.1, 0.15], flip: false },
    at: { seed: 0, epoch: 0, row: 0 },
    reading: { ...decodeDefaults, maxBytes: 1e6 },
    isSound: false,
    ...more,
  })

  test('is reported as damaged for any box; a file that was decoded completely before is decoded only down to its box', async () => {
    const root = await folderOf({
      'cut.jpg': await cutOff(),
      'whole.jpg': await rgb().jpeg({ quality: 95 }).toBuffer(),
    })
    let seen = 0
    for (let row = 0; row < 20; row++) {
      const at = { seed: 0, epoch: 0, row }
      expect(await doJob(jobOf(`${root}/cut.jpg`, { at }))).toMatchObject({
        damage: expect.stringContaining('cut.jpg'),
      })
      const found = await doJob(jobOf(`${root}/cut.jpg`, { at, isSound: true }))
      if ('damage' in found) continue
      seen++
      expect(found).toEqual(await doJob(jobOf(`${root}/whole.jpg`, { at })))
    }
    // Many boxes of this size are in the upper part.
    expect(seen).toBeGreaterThan(3)
  })

  test('a later epoch is the same for a source that read the earlier epochs and for a source that starts with it', async () => {
    const good = await rgb().jpeg().toBuffer()
    const root = await folderOf({
      ...Object.fromEntries(['a', 'b'].flatMap((name) => [0, 1, 2].map((n) => [`train/${name}/${n}.jpg`, good]))),
      'train/a/cut.jpg': await cutOff(),
      'val/a/0.jpg': good,
      'val/b/0.jpg': good,
    })
    const open = async () =>
      (await imageFolder(root, { size: 8, cropArea: [0.1, 0.15], workers: 0, onSkip: () => undefined })).train
    const [old, fresh] = [await open(), await open()]
    for (let epoch = 0; epoch < 4; epoch++) await all(old.batches({ batch: 3, epoch, seed: 1 }))
    expect(await all(old.batches({ batch: 3, epoch: 4, seed: 1 }))).toEqual(
      await all(fresh.batches({ batch: 3, epoch: 4, seed: 1 })),
    )
  })
})
