/** Pictures of every format are decoded to upright 8-bit RGB, and sharp resizes them like the plain filter. */
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import sharp, { type Sharp } from 'sharp'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { centreBox } from '../../src/pixels/box.ts'
import { decode } from '../../src/data/decode.ts'
import { grey } from '../../src/pixels/grey.ts'
import { picturesIn } from '../../src/data/picture-files.ts'
import { readImage } from '../../src/data/read-image.ts'

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'effuse-decode-'))
})
afterAll(() => rm(folder, { recursive: true }))

const [width, height] = [4, 3]
const pixels = Uint8Array.from({ length: width * height * 3 }, (_, i) => 7 * i)
const picture = (): Sharp => sharp(pixels, { raw: { width, height, channels: 3 } })
const photo = (name: string): string => fileURLToPath(new URL(`../goldens/photos/${name}.png`, import.meta.url))

describe('decode', () => {
  test.each([
    ['PNG', () => picture().png()],
    ['PNG of 16 bits', () => picture().toColourspace('rgb16').png()],
    ['PNG with a palette', () => picture().png({ palette: true })],
    ['PNG with transparency', () => picture().ensureAlpha(0.25).png()],
    ['WebP', () => picture().webp({ lossless: true })],
    ['GIF', () => picture().gif()],
    ['TIFF', () => picture().tiff({ compression: 'lzw' })],
  ])('%s, to the bit', async (name, make) => {
    const found = await decode(await make().toBuffer(), name)
    expect(found).toEqual({ width, height, channels: 3, data: pixels, hasOtherProfile: false })
  })
  test.each([
    ['TIFF of Lab', (raw: Sharp) => raw.toColourspace('lab').tiff()],
    ['JPEG', (raw: Sharp) => raw.jpeg({ quality: 100 })],
  ])('%s, within 4', async (name, make) => {
    for (const colour of [
      [200, 60, 50],
      [90, 160, 80],
    ]) {
      const data = Uint8Array.from({ length: 16 * 16 * 3 }, (_, i) => colour[i % 3] ?? 0)
      const raw = sharp(data, { raw: { width: 16, height: 16, channels: 3 } })
      const found = await decode(await make(raw).toBuffer(), name)
      expect([found.width, found.height, found.data.length]).toEqual([16, 16, 768])
      expect(found.data.reduce((most, v, i) => Math.max(most, Math.abs(v - (data[i] ?? 0))), 0)).toBeLessThan(4)
    }
  })
  test.each([
    ['8', () => picture().greyscale().png()],
    ['16', () => picture().greyscale().toColourspace('grey16').png()],
    ['8 with transparency', () => picture().greyscale().ensureAlpha(0.5).png()],
  ])('grey of %s bits is repeated', async (name, make) => {
    const { data } = await decode(await make().toBuffer(), name)
    const once = await picture().greyscale().raw().toBuffer()
    expect([...data]).toEqual([...once].flatMap((v) => [v, v, v]))
  })
  test("the camera's orientation is applied", async () => {
    // Orientation 6: rotated clockwise, so the first row is the left column from the bottom up.
    const found = await decode(await picture().withMetadata({ orientation: 6 }).png().toBuffer(), 'turned')
    const column = [2, 1, 0].flatMap((y) => [...pixels.subarray(y * 12, y * 12 + 3)])
    expect([found.width, found.height, [...found.data.subarray(0, 9)]]).toEqual([3, 4, column])
  })
  test.each([0.02, 0.1, 0.5, 0.9, 0.99])('%f of a JPEG is rejected', async (share) => {
    const whole = await sharp(photo('coffee')).jpeg().toBuffer()
    await expect(decode(whole.subarray(0, whole.length * share), 'half.jpg')).rejects.toMatchObject({
      code: 'EF506',
      message: expect.stringMatching(/^half\.jpg cannot be decoded as a picture: it begins like a JPEG of \d+ bytes; /),
    })
  })
})

test('converts to grey with the weights of BT.601', () => {
  expect([...grey(Uint8Array.of(255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 9, 9))]).toEqual([76, 150, 29, 9])
})

test('readImage accepts either filter', async () => {
  const [triangle, bilinear] = [
    await readImage(photo('coffee'), { size: 40 }),
    await readImage(photo('coffee'), { size: 40, filter: 'bilinear' }),
  ]
  expect(bilinear.length).toBe(triangle.length)
  expect(bilinear).not.toEqual(triangle)
})

describe('readImage shrinks only with the triangle filter', () => {
  const wave = Uint8Array.from({ length: 64 * 64 * 3 }, (_, i) =>
    Math.round(127 + 120 * Math.sin((2 * Math.PI * (Math.floor(i / 3) % 64)) / 24)),
  )
  const firstRow = async (side: number): Promise<readonly number[]> => {
    const path = join(folder, `wave-${side}.png`)
    await sharp(wave, { raw: { width: 64, height: 64, channels: 3 } })
      .extract({ left: 0, top: 0, width: side, height: side })
      .png()
      .toFile(path)
    const found = await readImage(path, { size: 8, crop: 'none' })
    return [...found.subarray(0, 3 * 8)].filter((_, i) => i % 3 === 0)
  }
  test('by 8', async () => expect(await firstRow(64)).toEqual([209, 138, 51, 192, 138, 51, 192, 155]))
  test('by less than 4, up to the edges', async () =>
    expect(await firstRow(31)).toEqual([178, 235, 201, 97, 21, 46, 147, 228]))
})

test('the center crop: size / (size + 32) of the shorter side, at least 7/8 of it, the whole side for small results', () => {
  const side = fc.integer({ min: 1, max: 5000 })
  fc.assert(
    fc.property(side, side, fc.integer({ min: 1, max: 800 }), (width, height, size) => {
      const box = centreBox(width, height, size)
      const shorter = BigInt(Math.min(width, height))
      // From 7/8 at 128 pixels to the whole side at 64.
      const small = size <= 64 ? shorter : size < 128 ? (shorter * BigInt(512 - (size - 64))) / 512n : 0n
      const shares = [1n, (BigInt(size) * shorter) / BigInt(size + 32), (7n * shorter) / 8n, small]
      expect(box.width).toBe(Math.max(...shares.map(Number)))
      expect(box.height).toBe(box.width)
      const [right, below] = [width - box.left - box.width, height - box.top - box.height]
      expect(box.left - right === 0 || box.left - right === 1).toBe(true)
      expect(box.top - below === 0 || box.top - below === 1).toBe(true)
      expect(Math.min(right, below)).toBeGreaterThanOrEqual(0)
    }),
  )
  expect([16, 32, 64, 96, 127, 128, 224].map((size) => centreBox(512, 600, size).width)).toEqual([
    512, 512, 512, 480, 449, 448, 448,
  ])
  // In floating point 49 / (49 + 32) * 81 is below 49.
  for (let size = 224; size <= 800; size++) expect(centreBox(size + 32, size + 32, size).width).toBe(size)
})

test('picturesIn: sorted by code unit; follows links except cycles; skips hidden files and packages', async () => {
  const root = join(folder, 'list')
  await mkdir(join(root, 'b.jpg', 'deep'), { recursive: true })
  await mkdir(join(folder, 'elsewhere'))
  // Packages of a project: `predict .` must skip their pictures.
  for (const place of ['node_modules/package', 'b.jpg/node_modules'])
    await mkdir(join(root, place), { recursive: true })
  for (const name of [
    'Z.PNG',
    'a.jpeg',
    '.hidden.jpg',
    'notes.txt',
    'b.jpg/deep/é.webp',
    'b.jpg/1.tif',
    '../elsewhere/x.gif',
    'node_modules/package/icon.png',
    'b.jpg/node_modules/icon.png',
  ])
    await writeFile(join(root, name), '')
  await symlink(root, join(root, 'b.jpg', 'circle'))
  await symlink(join(folder, 'elsewhere'), join(root, 'link'))
  // A link to a parent folder is skipped: otherwise a class would have the pictures of all.
  await symlink(join(root, '..'), join(root, 'b.jpg', 'above'))
  await symlink(join(folder, 'nothing'), join(root, 'lost.jpg'))
  expect(await picturesIn(root)).toEqual([
    'Z.PNG',
    'a.jpeg',
    'b.jpg/1.tif',
    'b.jpg/deep/é.webp',
    'link/x.gif',
    'lost.jpg',
  ])
  expect(await picturesIn(join(root, 'node_modules'))).toEqual(['package/icon.png'])
  await expect(picturesIn(join(folder, 'nothing'))).rejects.toMatchObject({ code: 'EF501' })
})
