/** Rejected pictures, without the cost of decoding them: other formats, too large or too slow pictures, headers with wrong sizes. */
import { join } from 'node:path'
import { deflateSync } from 'node:zlib'
import sharp from 'sharp'
import { afterAll, describe, expect, test } from 'vitest'
import { type Budget, budgetOf, decodingLedger, giveBackAll, ledgerOf, sharedLedger } from '../../src/data/budget.ts'
import { decode } from '../../src/data/decode.ts'
import { imageFolder } from '../../src/data/image-folder.ts'
import { decodeDefaults } from '../../src/data/picture.ts'
import { readImage } from '../../src/data/read-image.ts'
import { all, flat, folderOf, removeFolders } from './picture-folder.ts'

afterAll(removeFolders)

const messageOf = async (bytes: Uint8Array, options = decodeDefaults): Promise<string> => {
  const error: unknown = await decode(bytes, 'x', options).then(
    () => null,
    (reason: unknown) => reason,
  )
  expect(error).toMatchObject({ code: 'EF506' })
  return (error as Error).message
}
const text = (value: string): Uint8Array => new TextEncoder().encode(value)
const noise = (width: number, height: number): Buffer =>
  Buffer.from(Uint8Array.from({ length: width * height * 3 }, (_, i) => (i * 7919 + (i >> 4) * 31) % 256))
const picture = (width: number, height: number) => sharp(noise(width, height), { raw: { width, height, channels: 3 } })

describe('only the listed formats are read, detected by content', () => {
  test.each([
    [
      'SVG',
      text('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9" height="9"/></svg>'),
      /looks like an SVG/,
    ],
    ['SVG after a comment', text('<?xml version="1.0"?><!-- a --><svg width="9" height="9"/>'), /looks like an SVG/],
    ['BMP', Buffer.concat([Buffer.from('BM'), Buffer.alloc(60)]), /begins like a BMP of 62 bytes/],
    [
      'HEIC',
      Buffer.concat([Buffer.from([0, 0, 0, 20]), Buffer.from('ftypheic\0\0\0\0mif1')]),
      /begins like a HEIC file/,
    ],
    ['PDF', text('%PDF-1.7\n1 0 obj'), /looks like a PDF/],
    ['WAVE', Buffer.from('RIFF\x24\0\0\0WAVEfmt '), /begins like a RIFF file that is not WebP/],
    ['portable pixmap', Buffer.from('P6 2 2 255\n123456789012'), /looks like text/],
    ['nothing', Buffer.alloc(0), /is empty/],
  ])('not %s', async (_, bytes, message) => {
    expect(await messageOf(bytes)).toMatch(message)
    expect(await messageOf(bytes)).toMatch(/its format is not supported$/)
  })
  test('an SVG that would take long is rejected at once', async () => {
    const bomb = `<svg xmlns="http://www.w3.org/2000/svg" width="9000" height="9000"><filter id="f"><feTurbulence numOctaves="99"/></filter><rect width="100%" height="100%" filter="url(#f)"/></svg>`
    const start = performance.now()
    await messageOf(text(bomb))
    expect(performance.now() - start).toBeLessThan(2000)
  })
})

describe('damaged files are reported once, with their format', () => {
  const files = {
    TIFF: () => picture(64, 64).tiff({ compression: 'lzw' }),
    AVIF: () => picture(64, 64).avif(),
    WebP: () => picture(64, 64).webp(),
    PNG: () => picture(64, 64).png(),
    GIF: () => picture(64, 64).gif(),
    JPEG: () => picture(64, 64).jpeg(),
  } as const
  const names = Object.keys(files) as (keyof typeof files)[] // Object.keys forgets the keys' type
  test.each(names)('%s, cut off', async (name) => {
    const whole = await files[name]().toBuffer()
    for (const share of [0.1, 0.5, 0.9]) {
      const message = await messageOf(whole.subarray(0, Math.ceil(share * whole.length)))
      expect(message).toMatch(
        new RegExp(`^x cannot be decoded as a picture: it begins like an? ${name} of \\d+ bytes; .`),
      )
      expect(message).not.toMatch(/\n|unknown|no known|bad seek/)
      const messages = message.split('; ').map((part) => part.replace(/\d+/g, '0'))
      expect(new Set(messages).size).toBe(messages.length)
    }
  })
})

/** A JPEG of 20x20 whose header declares another size. */
const claiming = async (width: number, height: number, isProgressive: boolean): Promise<Buffer> => {
  const bytes = await picture(20, 20).jpeg({ progressive: isProgressive }).toBuffer()
  const frame = bytes.indexOf(Buffer.from([0xff, isProgressive ? 0xc2 : 0xc0]))
  bytes.writeUInt16BE(height, frame + 5)
  bytes.writeUInt16BE(width, frame + 7)
  return bytes
}

describe('the header is checked before decoding', () => {
  test.each([
    [7000, 7000, false],
    [7000, 7000, true],
    [100, 100, false],
    [100, 100, true],
    [21, 60, false],
  ])(
    'a JPEG that claims %i x %i with data for 20x20 is damaged (progressive: %s)',
    async (width, height, isProgressive) => {
      expect(await messageOf(await claiming(width, height, isProgressive))).toMatch(/premature end/)
    },
  )
  test('a TIFF that claims 700x700 with data for 20x20 is damaged, with any compression', async () => {
    for (const compression of ['none', 'lzw', 'deflate', 'jpeg'] as const) {
      const bytes = await picture(20, 20).tiff({ compression }).toBuffer()
      const first = bytes.readUInt32LE(4)
      for (let at = first + 2; at < first + 2 + 12 * bytes.readUInt16LE(first); at += 12)
        if ([256, 257, 278].includes(bytes.readUInt16LE(at))) bytes.writeUInt32LE(700, at + 8) // width, height, rows of the strip
      expect(await messageOf(bytes)).toMatch(/Improper JPEG strip|Likely invalid strip|Not enough data|Read error/)
    }
  })
  test('a JPEG with extra bytes between its segments is read', async () => {
    const bytes = await picture(20, 20).jpeg().toBuffer()
    const table = bytes.indexOf(Buffer.from([0xff, 0xc4]))
    const odd = Buffer.concat([bytes.subarray(0, table), Buffer.from([1, 2, 3]), bytes.subarray(table)])
    expect((await decode(odd, 'odd')).data).toEqual((await decode(bytes, 'whole')).data)
  })
  test('pictures above maxPixels are rejected, in each format', async () => {
    for (const make of [
      picture(50, 40).png(),
      picture(50, 40).jpeg(),
      picture(50, 40).webp(),
      picture(50, 40).gif(),
      picture(50, 40).tiff(),
      picture(50, 40).avif(),
    ]) {
      const bytes = await make.toBuffer()
      expect(await messageOf(bytes, { ...decodeDefaults, maxPixels: 1999 })).toMatch(
        /; its header says 50x40, more than 1999 pixels$/,
      )
      expect((await decode(bytes, 'x', { ...decodeDefaults, maxPixels: 2000 })).width).toBe(50)
    }
  })
  test('64 megapixels are the default, and a header costs no memory', async () => {
    const png = await picture(2, 2).png().toBuffer()
    png.writeUInt32BE(60_000, 16)
    png.writeUInt32BE(60_000, 20)
    png.writeUInt32BE(crc(png.subarray(12, 29)), 29)
    const before = process.memoryUsage().rss
    expect(await messageOf(png)).toMatch(/its header says 60000x60000, more than 64000000 pixels/)
    expect(await messageOf(await claiming(8001, 8000, false))).toMatch(
      /its header says 8001x8000, more than 64000000 pixels/,
    )
    expect(process.memoryUsage().rss - before).toBeLessThan(100 * 2 ** 20)
    const gif = await picture(9, 9).gif().toBuffer()
    gif.writeUInt16LE(65535, 6)
    gif.writeUInt16LE(65535, 8)
    expect(await messageOf(gif)).toMatch(/65535x65535/)
  })
})

const crc = (bytes: Uint8Array): number => {
  let value = 0xffffffff
  for (const byte of bytes) {
    value ^= byte
    for (let bit = 0; bit < 8; bit++) value = (value >>> 1) ^ ((value & 1) === 0 ? 0 : 0xedb88320)
  }
  return (value ^ 0xffffffff) >>> 0
}

test('a time limit ends the wait', async () => {
  const bytes = await picture(900, 900).png().toBuffer()
  expect(await messageOf(bytes, { ...decodeDefaults, timeLimit: 1e-4 })).toMatch(
    /; decoding it takes longer than 0.0001 s$/,
  )
  expect((await decode(bytes, 'x', { ...decodeDefaults, timeLimit: 60 })).width).toBe(900)
})

test('time in which the process does not run does not count towards the time limit', async () => {
  const bytes = await picture(2000, 2000).png().toBuffer()
  await decode(bytes, 'first') // loads sharp
  const decoded = decode(bytes, 'x', { ...decodeDefaults, timeLimit: 2 })
  await turn() // it has begun
  await new Promise((resolve) => setImmediate(resolve)) // timers come next
  // As if the process was stopped: its timers are late by more than the limit.
  const until = performance.now() + 2500
  while (performance.now() < until) Math.sqrt(until)
  expect((await decoded).width).toBe(2000)
})

test('files above maxBytes are not opened', async () => {
  const root = await folderOf({ '1.png': deflateSync(noise(40, 40)) })
  await expect(readImage(join(root, '1.png'), { size: 4, maxBytes: 100 })).rejects.toMatchObject({
    code: 'EF506',
    message: expect.stringMatching(/1\.png has \d+ bytes, more than the 100 that a picture may have/),
    hint: expect.stringContaining('maxBytes'),
  })
})

test('a folder skips pictures above its limits like damaged ones', async () => {
  const root = await folderOf({
    'train/a/1.png': await flat(10),
    'train/a/2.png': await flat(20, [100, 90]),
    'train/a/3.jpg': await claiming(7000, 7000, false),
    'train/a/4.png': Buffer.concat([await flat(30), Buffer.alloc(5000)]),
    'train/a/5.png': text('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'),
    'val/a/1.png': await flat(40),
  })
  const skipped: string[] = []
  const { train } = await imageFolder(root, {
    size: 4,
    maxPixels: 8000,
    maxBytes: 4000,
    onSkip: (path) => skipped.push(path.slice(-5)),
  })
  const batches = await all(train.batches({ batch: 5, epoch: 0 }))
  expect([...skipped].sort()).toEqual(['2.png', '3.jpg', '4.png', '5.png'])
  expect(batches.flatMap(({ image }) => [...image]).every((v) => v === 10)).toBe(true)
})

test('files skipped for their extensions are reported once, with counts', async () => {
  const root = await folderOf({
    'train/a/1.png': await flat(10),
    'train/a/2.bmp': 'BM',
    'train/a/deep/3.BMP': 'BM',
    'train/b/1.jfif': await picture(9, 9).jpeg().toBuffer(),
    'train/b/notes.txt': '',
    'train/b/.hidden.bmp': '',
    'train/beside.bmp': '',
    'val/a/1.png': await flat(10),
    'val/b/1.png': await flat(10),
    'val/b/README': '',
  })
  const notices: string[] = []
  const { train } = await imageFolder(root, { onNotice: (notice) => notices.push(notice) })
  expect(train.length).toBe(2)
  expect(notices).toEqual([
    `4 files in ${root} are not read, because of the ending: 2 .bmp, 1 .txt, 1 without an ending; pictures are files whose names end in .jpg, .jpeg, .jfif, .png, .webp, .gif, .tif, .tiff or .avif`,
  ])
})

/** Jobs that run until they are ended by name. */
const namedWorks = () => {
  const begun: string[] = []
  const ends = new Map<string, () => void>()
  const works: Promise<void>[] = []
  return {
    begun,
    begin: (budget: Budget, name: string, bytes: number): void => {
      const work = () =>
        new Promise<void>((resolve) => {
          begun.push(name)
          ends.set(name, resolve)
        })
      works.push(budget.during(bytes, work))
    },
    end: async (name: string): Promise<void> => {
      ends.get(name)?.()
      await turn()
    },
    all: () => Promise.all(works),
  }
}
const turn = () => new Promise((resolve) => setTimeout(resolve, 20))

test('a budget admits requests in order, and a request above the budget alone', async () => {
  const { begun, begin, end, all } = namedWorks()
  const budget = budgetOf(ledgerOf(100))
  begin(budget, 'a', 60)
  begin(budget, 'b', 40)
  begin(budget, 'c', 300)
  begin(budget, 'd', 1)
  await turn()
  expect(begun).toEqual(['a', 'b'])
  await end('a')
  expect(begun).toEqual(['a', 'b'])
  await end('b')
  expect(begun).toEqual(['a', 'b', 'c'])
  await end('c')
  expect(begun).toEqual(['a', 'b', 'c', 'd'])
  await end('d')
  await all()
})

test('a budget runs work alone, without any other work', async () => {
  const { begun, begin, end, all } = namedWorks()
  const ledger = ledgerOf(100)
  const [ours, theirs] = [budgetOf(ledger), budgetOf(sharedLedger(ledger))]
  begin(ours, 'a', 1)
  let finish = (): void => undefined
  const lone = theirs.alone(() => {
    begun.push('alone')
    return new Promise<void>((resolve) => {
      finish = resolve
    })
  })
  await turn()
  expect(begun).toEqual(['a'])
  await end('a')
  expect(begun).toEqual(['a', 'alone'])
  begin(ours, 'b', 1)
  await turn()
  expect(begun).toEqual(['a', 'alone'])
  finish()
  await lone
  await turn()
  expect(begun).toEqual(['a', 'alone', 'b'])
  await end('b')
  await all()
})

test('threads share one budget, and the share of a dead thread is returned', async () => {
  const { begun, begin, end } = namedWorks()
  const ledger = ledgerOf(100)
  const others = sharedLedger(ledger)
  const [ours, theirs] = [budgetOf(ledger), budgetOf(others)]
  begin(ours, 'a', 60)
  begin(theirs, 'b', 60)
  begin(theirs, 'c', 70)
  await turn()
  expect(begun).toEqual(['a'])
  await end('a')
  expect(begun).toEqual(['a', 'b'])
  begin(ours, 'd', 80)
  await turn()
  expect(begun).toEqual(['a', 'b'])
  giveBackAll(others)
  await turn()
  expect(begun.length).toBe(3) // 'c' or 'd': both were waiting
})

test('threads together decode at most the limit at once, and a picture above it is also decoded', async () => {
  const picture = await flat(10, [100, 90])
  const pictures = Object.fromEntries(Array.from({ length: 60 }, (_, n) => [`train/a/${n}.png`, picture]))
  const root = await folderOf({ ...pictures, 'train/a/large.png': await flat(20, [200, 200]), 'val/a/1.png': picture })
  const { common } = decodingLedger
  const [, before = 0n] = common
  // Two pictures at once, with 4 bytes per pixel, although there are three threads with four jobs each.
  common[1] = 80_000n
  const seen = new Set<bigint>()
  let isOver = false
  const watching = (async () => {
    while (!isOver) {
      seen.add(Atomics.load(common, 0))
      await new Promise((resolve) => setImmediate(resolve))
    }
  })()
  try {
    const { train } = await imageFolder(root, { size: 4, workers: 3, concurrency: 12 })
    expect((await all(train.batches({ batch: 10, epoch: 0 }))).length).toBe(7)
  } finally {
    isOver = true
    common[1] = before
  }
  await watching
  expect([...seen].filter((bytes) => ![0n, 36_000n, 72_000n, 160_000n].includes(bytes))).toEqual([])
  expect(seen.has(72_000n)).toBe(true)
  expect(common[0]).toBe(0n)
})
