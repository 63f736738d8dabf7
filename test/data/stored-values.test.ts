/** All formats give the stored values, as in Pillow. */
import { readFileSync } from 'node:fs'
import zlib from 'node:zlib'
import sharp from 'sharp'
import { afterAll, describe, expect, test } from 'vitest'
import { decode } from '../../src/data/decode.ts'
import { imageFolder } from '../../src/data/image-folder.ts'
import { decodeDefaults } from '../../src/data/picture.ts'
import { readImage } from '../../src/data/read-image.ts'
import { all, flat, folderOf, removeFolders } from './picture-folder.ts'

afterAll(removeFolders)

const {
  cases,
}: {
  readonly cases: readonly {
    readonly name: string
    readonly size: readonly [width: number, height: number]
    readonly file: string
    readonly rgb: string
  }[]
} = JSON.parse(readFileSync(new URL('../goldens/data/pictures.json', import.meta.url), 'utf8'))

test.each(cases)('as Pillow: $name', async ({ name, size, file, rgb }) => {
  const found = await decode(Buffer.from(file, 'base64'), name)
  expect([found.width, found.height]).toEqual(size)
  const expected = Buffer.from(rgb, 'base64')
  const apart = found.data.reduce((most, v, i) => Math.max(most, Math.abs(v - (expected[i] ?? Number.NaN))), 0)
  // Libraries round JPEG's transform and YCbCr slightly differently.
  expect(apart).toBeLessThanOrEqual(/jpeg|YCbCr/.test(name) ? 1 : 0)
})

describe('profiles', () => {
  const colour = [184, 63, 57]
  const picture = () =>
    sharp(
      Uint8Array.from({ length: 12 * 10 * 3 }, (_, i) => colour[i % 3] ?? 0),
      { raw: { width: 12, height: 10, channels: 3 } },
    )
  /** The stored color 184 63 57 is in Display P3. */
  const p3 = async (): Promise<Buffer> => {
    const icc = (
      await sharp(await flat(1))
        .withIccProfile('p3')
        .png()
        .toBuffer()
        .then((png) => sharp(png).metadata())
    ).icc
    const png = await picture().png().toBuffer()
    return withProfile(png, icc ?? expect.unreachable())
  }
  test('are ignored and counted', async () => {
    const file = await p3()
    const found = await decode(file, 'p3')
    expect([...found.data.subarray(0, 3)]).toEqual(colour)
    expect(found.hasOtherProfile).toBe(true)
    const srgb = await picture().withIccProfile('srgb').png().toBuffer()
    expect((await sharp(srgb).metadata()).icc).toBeDefined()
    expect(await decode(srgb, 'srgb')).toMatchObject({ hasOtherProfile: false })
  })
  test("are applied with colors: 'srgb'", async () => {
    const { data } = await decode(await p3(), 'p3', { ...decodeDefaults, colors: 'srgb' })
    // Computed in floating point from the primaries of both color spaces.
    ;[200, 50, 50].forEach((v, c) => expect(Math.abs((data[c] ?? 0) - v)).toBeLessThanOrEqual(2))
    const [path = ''] = (
      await imageFolder(await folderOf({ 'a/1.png': await p3(), 'a/2.png': await p3() }), { holdout: 0.5 })
    ).test.files
    const options = { size: 4, crop: 'none' } as const
    expect([...(await readImage(path, options)).subarray(0, 3)]).toEqual(colour)
    expect([...(await readImage(path, { ...options, colors: 'srgb' })).subarray(0, 3)]).toEqual([
      ...data.subarray(0, 3),
    ])
  })
  test('of a folder give one notice with their count', async () => {
    const files = {
      'train/a/1.png': await p3(),
      'train/a/2.png': await p3(),
      'train/a/3.png': await flat(7),
      'val/a/1.png': await flat(7),
    }
    const root = await folderOf(files)
    const noticesOf = async (colors: 'stored' | 'srgb'): Promise<readonly string[]> => {
      const notices: string[] = []
      const { train, test } = await imageFolder(root, { size: 4, colors, onNotice: (text) => notices.push(text) })
      for (const epoch of [0, 1]) for (const part of [train, test]) await all(part.batches({ batch: 2, epoch }))
      return notices
    }
    expect(await noticesOf('stored')).toEqual([
      expect.stringMatching(/^2 pictures have colour profiles other than sRGB: .*colors: 'srgb'/),
    ])
    expect(await noticesOf('srgb')).toEqual([])
  })
})

/** A PNG with an iCCP chunk after its header. */
const withProfile = (png: Buffer, profile: Buffer): Buffer => {
  const { deflateSync, crc32 } = zlib
  const body = Buffer.concat([Buffer.from('iCCPprofile\0\0', 'latin1'), deflateSync(profile)])
  const chunk = Buffer.alloc(body.length + 8)
  chunk.writeUInt32BE(body.length - 4)
  body.copy(chunk, 4)
  chunk.writeUInt32BE(crc32(body), body.length + 4)
  return Buffer.concat([png.subarray(0, 33), chunk, png.subarray(33)])
}
