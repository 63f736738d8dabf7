/** libjpeg-turbo's library gives the pixels of sharp, and leaves everything else to sharp. */
import fc from 'fast-check'
import sharp, { type Sharp } from 'sharp'
import { afterAll, describe, expect, test } from 'vitest'
import { decode } from '../../src/data/decode.ts'
import { imageFolder } from '../../src/data/image-folder.ts'
import type { ImageFolderOptions } from '../../src/data/image-folder-options.ts'
import { type JpegDecoder, jpegDecoder } from '../../src/data/libjpeg-turbo.ts'
import { jpegHeader, type PictureHeader } from '../../src/data/picture-header.ts'
import { type Decoded, decodeDefaults } from '../../src/data/picture.ts'
import { cutBox } from '../../src/pixels/box.ts'
import { decoder } from '../support/libjpeg-turbo.ts'
import type { LabelledBatch } from '../../src/data/request.ts'
import { all, folderOf, removeFolders } from './picture-folder.ts'

afterAll(removeFolders)

/** Waves and noise, so that rows, columns and channels differ. */
const drawn = (width: number, height: number, seed: number): Sharp => {
  const data = Uint8Array.from({ length: width * height * 3 }, (_, i) => {
    const [x, y, c] = [Math.floor(i / 3) % width, Math.floor(i / 3 / width), i % 3]
    const noise = ((i * 7919 + seed * 31) >> 3) % 40
    return Math.max(
      0,
      Math.min(255, 108 + 70 * Math.sin((x * (c + 1) + seed) / 5) + 40 * Math.cos(y / (4 - c)) + noise),
    )
  })
  return sharp(data, { raw: { width, height, channels: 3 } })
}

/** Counts the pictures that the library decodes. */
const counted = (jpeg: JpegDecoder): { readonly jpeg: JpegDecoder; readonly count: () => number } => {
  let count = 0
  return {
    count: () => count,
    jpeg: (...args) => {
      const found = jpeg(...args)
      if (found !== null) count++
      return found
    },
  }
}

const headerOf = (bytes: Uint8Array): PictureHeader => {
  const found = jpegHeader(bytes)
  if (found === null) throw new Error('the test made no JPEG')
  const { width, height, isCommon } = found
  return {
    width,
    height,
    orientation: 1,
    isCmyk: found.components === 4,
    hasOtherProfile: false,
    isCommonJpeg: isCommon,
  }
}

const segment = (marker: number, content: readonly number[]): readonly number[] => {
  const length = content.length + 2
  return [0xff, marker, length >> 8, length & 0xff, ...content]
}

/** A JPEG without the segments before its first scan that have a marker. */
const withoutSegments = (bytes: Buffer, marker: number): Buffer => {
  const kept = [bytes.subarray(0, 2)]
  let at = 2
  for (; bytes[at + 1] !== 0xda; at += 2 + bytes.readUInt16BE(at + 2))
    if (bytes[at + 1] !== marker) kept.push(bytes.subarray(at, at + 2 + bytes.readUInt16BE(at + 2)))
  return Buffer.concat([...kept, bytes.subarray(at)])
}

/** toEqual() takes seconds for millions of bytes. */
const expectSame = ({ data, ...found }: Decoded, { data: expectedData, ...expected }: Decoded): void => {
  expect(found).toEqual(expected)
  expect(Buffer.compare(data, expectedData)).toBe(0)
}

describe.skipIf(decoder === null)('with the library', () => {
  const jpeg = decoder as JpegDecoder // not null, or these tests are skipped

  test('pictures and their parts have the same pixels as from sharp', async () => {
    const one = fc.record({
      ...{ width: fc.integer({ min: 1, max: 70 }), height: fc.integer({ min: 1, max: 70 }), seed: fc.nat(99) },
      ...{ quality: fc.integer({ min: 5, max: 100 }), chromaSubsampling: fc.constantFrom('4:2:0', '4:4:4') },
      ...{
        isGrey: fc.boolean(),
        orientation: fc.integer({ min: 1, max: 8 }),
        corners: fc.tuple(...Array(4).fill(fc.nat())),
      },
    })
    await fc.assert(
      fc.asyncProperty(
        one,
        async ({ width, height, seed, quality, chromaSubsampling, isGrey, orientation, corners }) => {
          const raw = isGrey ? drawn(width, height, seed).greyscale() : drawn(width, height, seed)
          const bytes = await raw.jpeg({ quality, chromaSubsampling }).withMetadata({ orientation }).toBuffer()
          const whole = await decode(bytes, 'whole')
          const { jpeg: used, count } = counted(jpeg)
          expectSame(await decode(bytes, 'library', decodeDefaults, undefined, used), whole)
          const [a, b, c, d] = corners as [number, number, number, number] // of four
          const [left, right] = [a % whole.width, b % whole.width].sort((p, q) => p - q) as [number, number] // of two
          const [top, bottom] = [c % whole.height, d % whole.height].sort((p, q) => p - q) as [number, number] // of two
          const box = { left, top, width: right - left + 1, height: bottom - top + 1 }
          const part = await decode(bytes, 'part', decodeDefaults, () => box, used)
          expect([part.width, part.height]).toEqual([box.width, box.height])
          expect(Buffer.compare(part.data, cutBox(whole, box))).toBe(0)
          expect(count()).toBe(2)
        },
      ),
      { numRuns: 30 },
    )
  })

  test.each<readonly [string, () => Sharp]>([
    ['a progressive JPEG', () => drawn(40, 30, 1).jpeg({ progressive: true })],
    ['CMYK', () => drawn(40, 30, 2).toColourspace('cmyk').jpeg()],
    [
      'a JPEG of more pixels than a thread may decode without interruption',
      () => drawn(8, 8, 3).resize(2049, 2048).jpeg(),
    ],
  ])('%s is left to sharp', async (_, make) => {
    const bytes = await make().toBuffer()
    expect(jpeg(bytes, headerOf(bytes), null)).toBe(null)
    expectSame(await decode(bytes, 'x', decodeDefaults, undefined, jpeg), await decode(bytes, 'x'))
  })

  test('a JPEG with components of other sizes is left to sharp', async () => {
    const bytes = Buffer.from(await drawn(40, 30, 4).jpeg({ chromaSubsampling: '4:4:4' }).toBuffer())
    expect(headerOf(bytes).isCommonJpeg).toBe(true)
    const frame = bytes.indexOf(Buffer.from([0xff, 0xc0]))
    for (const sampling of [0x12, 0x41, 0x14]) {
      bytes[frame + 11] = sampling // of the first component
      expect(headerOf(bytes).isCommonJpeg).toBe(false)
      expect(jpeg(bytes, headerOf(bytes), null)).toBe(null)
    }
  })

  test('colours that a profile converts are left to sharp', async () => {
    const bytes = await drawn(40, 30, 5).withIccProfile('p3').jpeg().toBuffer()
    const options = { ...decodeDefaults, colors: 'srgb' } as const
    const { jpeg: used, count } = counted(jpeg)
    expect(await decode(bytes, 'x', options, undefined, used)).toEqual(await decode(bytes, 'x', options))
    expect(count()).toBe(0)
  })

  test.each([
    ['quantization', 0xdb],
    ['Huffman', 0xc4],
  ] as const)('a JPEG without %s tables does not get those of the picture before it', async (_, marker) => {
    const before = await drawn(40, 30, 7).jpeg({ quality: 40, optimizeCoding: true }).toBuffer()
    // With the wrong tables, most pictures would end with a warning, but not all of those with few blocks.
    for (let seed = 0; seed < 30; seed++) {
      const complete = await drawn(8, 8, seed).jpeg({ quality: 20, optimizeCoding: false }).toBuffer()
      const bytes = withoutSegments(complete, marker)
      expect(jpeg(before, headerOf(before), null)).not.toBe(null)
      const [expected] = await Promise.allSettled([decode(bytes, 'x')])
      const [found] = await Promise.allSettled([decode(bytes, 'x', decodeDefaults, undefined, jpeg)])
      // Without Huffman tables it is a frame of Motion JPEG, which has the standard's.
      expect(expected.status).toBe(marker === 0xc4 ? 'fulfilled' : 'rejected')
      expect(found).toEqual(expected)
    }
  })

  test.each([0x01, 0xd0, 0xd7])('a frame after marker %i, which has no length, is not overlooked', async (marker) => {
    const whole = await drawn(45, 35, 9).jpeg().toBuffer()
    // Taken for a segment, the marker would have 0xffe0 bytes, up to another frame header in the content of the last segment.
    const frame = [0xff, 0xc0, 0, 17, 8, 0, 70, 0, 90, 3, 1, 0x22, 0, 2, 0x11, 0, 3, 0x11, 0]
    const filled = segment(0xe0, Array<number>(65_000).fill(1))
    const rest = Array<number>(0xffe0 - filled.length - 4).fill(2)
    const inserted = Buffer.from([0xff, marker, ...filled, ...segment(0xe1, [...rest, ...frame])])
    const bytes = Buffer.concat([whole.subarray(0, 2), inserted, whole.subarray(2)])
    expect(headerOf(bytes)).toEqual(headerOf(whole))
    expectSame(await decode(bytes, 'x', decodeDefaults, undefined, jpeg), await decode(whole, 'x'))
  })

  test('a JPEG that ends early, or with an unknown marker inside, is reported as without the library', async () => {
    const whole = await drawn(64, 48, 6).jpeg({ quality: 95 }).toBuffer()
    const broken = Buffer.from(whole)
    broken.writeUInt16BE(0xffc4, Math.floor(whole.length / 2))
    for (const bytes of [
      whole.subarray(0, Math.floor(0.7 * whole.length)),
      whole.subarray(0, whole.length - 2),
      broken,
    ]) {
      expect(jpeg(bytes, headerOf(bytes), null)).toBe(null)
      // One after the other, because libvips has one buffer for the messages of all threads.
      const [expected] = await Promise.allSettled([decode(bytes, 'x')])
      const [found] = await Promise.allSettled([decode(bytes, 'x', decodeDefaults, undefined, jpeg)])
      expect(found).toEqual(expected)
    }
  })
})

test('a folder of JPEGs gives the same batches and reports for every number of threads', async () => {
  const make = (n: number): Promise<Buffer> =>
    drawn(50 + 3 * n, 70 - 2 * n, n)
      .jpeg({ progressive: n % 5 === 0 })
      .toBuffer()
  const pictures = await Promise.all(Array.from({ length: 16 }, (_, n) => make(n)))
  const good = pictures[1] as Buffer // of 16
  const root = await folderOf({
    ...Object.fromEntries(pictures.map((picture, n) => [`train/${n % 2 === 0 ? 'a' : 'b'}/${n}.jpg`, picture])),
    'train/a/cut.jpg': good.subarray(0, Math.floor(0.6 * good.length)),
    ...{ 'val/a/0.jpg': good, 'val/b/0.jpg': good },
  })
  const epochsOf = async (options: ImageFolderOptions) => {
    const skipped: string[] = []
    const { train } = await imageFolder(root, { size: 24, onSkip: (...told) => skipped.push(told.join()), ...options })
    const epochs: (readonly LabelledBatch[])[] = []
    // The first epoch decodes whole pictures, the second one only their boxes.
    for (const epoch of [0, 1]) epochs.push(await all(train.batches({ batch: 5, epoch, seed: 3 })))
    return { epochs, skipped }
  }
  const alone = await epochsOf({ workers: 0 })
  expect(alone.skipped.length).toBe(1)
  for (const workers of [1, 2, 3]) expect(await epochsOf({ workers })).toEqual(alone)
})

describe('the environment variable EFFUSE_LIBJPEG_TURBO', () => {
  test('"none" uses no library', () => {
    expect(jpegDecoder({ EFFUSE_LIBJPEG_TURBO: 'none' })).toBe(null)
  })

  test('another file than the library is an error that names it', () => {
    expect(() => jpegDecoder({ EFFUSE_LIBJPEG_TURBO: '/no/such/library.so' })).toThrow(
      expect.objectContaining({ code: 'EF404', message: expect.stringContaining('/no/such/library.so') }),
    )
  })
})
