/** Pictures that cannot be read: their replacement, the reports, and the limit. */
import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { decode } from '../../src/data/decode.ts'
import { imageFolder } from '../../src/data/image-folder.ts'
import type { ImageFolderOptions } from '../../src/data/image-folder-options.ts'
import { shuffled } from '../../src/data/draws.ts'
import { all, flat, folderOf, removeFolders, values } from './picture-folder.ts'

afterAll(removeFolders)

describe('damaged pictures', () => {
  let root = ''
  const good = [10, 20, 30, 40, 50, 60, 70, 80]
  beforeAll(async () => {
    const jpeg = await sharp(await flat(200, [300, 300]))
      .jpeg()
      .toBuffer()
    root = await folderOf({
      ...Object.fromEntries(await Promise.all(good.map(async (value) => [`train/a/${value}.png`, await flat(value)]))),
      'train/a/15-cut.jpg': jpeg.subarray(0, 500),
      'train/a/35-text.jpg': 'no picture at all',
      'train/a/45-empty.png': '',
      'val/a/0-cut.jpg': jpeg.subarray(0, 500),
      'val/a/1.png': await flat(90),
      'val/a/2-text.jpg': 'no picture at all',
      'val/a/3.png': await flat(91),
      'val/a/4.png': await flat(92),
    })
    await mkdir(join(root, 'train/a/16.jpg')) // neither a picture nor an error
    await symlink(join(root, 'nowhere'), join(root, 'train/a/55-lost.png'))
  })
  const bytes = 4 * 4 * 3
  const opened = async (options: ImageFolderOptions = {}) => {
    const skipped: string[] = []
    const onSkip = (path: string): void => void skipped.push(path.slice(root.length + 1))
    return { ...(await imageFolder(root, { size: 4, onSkip, ...options })), skipped }
  }
  /** The list in sorted order, with null for damaged pictures. */
  const listedValues = [10, null, 20, 30, null, 40, null, 50, null, 60, 70, 80]

  test('are replaced by the next readable picture in order; each is reported once', async () => {
    const { train, skipped } = await opened()
    expect(train.length).toBe(12)
    for (const epoch of [0, 1]) {
      const batches = await all(train.batches({ batch: 5, epoch, seed: 2 }))
      expect(batches.map(({ label }) => label.length)).toEqual([5, 5, 2])
      const order = Array.from(shuffled(12, 2, epoch), (i) => listedValues[i] ?? null)
      const expected = order.map((_, row) => [...order.slice(row), ...order].find((value) => value !== null))
      expect(values(batches, bytes)).toEqual(expected)
    }
    const names = ['15-cut.jpg', '35-text.jpg', '45-empty.png', '55-lost.png']
    expect([...skipped].sort()).toEqual(names.map((name) => `train/a/${name}`))
  })
  test('do not affect concurrency, batch size and skip', async () => {
    const request = { batch: 3, epoch: 4, seed: 6 }
    const batches = await all((await opened({ concurrency: 1 })).train.batches(request))
    const { train, skipped } = await opened({ concurrency: 8 })
    expect(await all(train.batches(request))).toEqual(batches)
    const again = await opened({ concurrency: 1, prefetch: 1 })
    expect(await all(again.train.batches({ ...request, skip: 2 }))).toEqual(batches.slice(2))
    const { skipped: inOrder, train: one } = await opened({ concurrency: 1 })
    await all(one.batches(request))
    expect(inOrder).toEqual(skipped)
  })
  test('are skipped in test data, where a replacement would count twice', async () => {
    const { test, skipped } = await opened()
    const batches = await all(test.batches({ batch: 2, epoch: 0 }))
    expect(values(batches, bytes)).toEqual([90, 91, 92])
    expect(batches.map(({ label }) => label.length)).toEqual([2, 1])
    expect(await all(test.batches({ batch: 2, epoch: 0, skip: 1 }))).toEqual(batches.slice(1))
    expect(skipped).toEqual(['val/a/0-cut.jpg', 'val/a/2-text.jpg'])
  })
  test('end the run when there are more than maxCorrupt', async () => {
    const { train, test, skipped } = await opened({ maxCorrupt: 3 })
    await expect(all(train.batches({ batch: 5, epoch: 0 }))).rejects.toMatchObject({
      code: 'EF506',
      message: expect.stringMatching(
        /^more than 3 pictures \(maxCorrupt\) cannot be read:\n( {2}.*(cut|text|empty|lost).*\n?){4}$/,
      ),
      hint: expect.stringContaining('maxCorrupt'),
    })
    expect(skipped).toHaveLength(3)
    await all(test.batches({ batch: 5, epoch: 0 })) // each part counts separately
    const strict = await opened({ maxCorrupt: 0 })
    await expect(all(strict.test.batches({ batch: 5, epoch: 0 }))).rejects.toMatchObject({
      message: expect.stringMatching(
        /^more than 0 pictures \(maxCorrupt\) cannot be read:\n.*0-cut\.jpg cannot be decoded/,
      ),
    })
  })
  test('end the run if no picture is readable', async () => {
    const files = { 'train/a/1.jpg': 'text', 'train/a/2.jpg': '', 'val/a/1.jpg': 'text' }
    const { train, test } = await imageFolder(await folderOf(files), { onSkip: () => undefined })
    for (const source of [train, test])
      await expect(all(source.batches({ batch: 1, epoch: 0 }))).rejects.toMatchObject({
        code: 'EF506',
        message: expect.stringMatching(/^none of the pictures can be read:\n/),
      })
  })
  test('print a warning if there is no listener', async () => {
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined)
    const { test } = await imageFolder(root, { size: 4 })
    for (let pass = 0; pass < 2; pass++) await all(test.batches({ batch: 2, epoch: 0 }))
    const warnings = warn.mock.calls.map(([message]) => String(message))
    warn.mockRestore()
    expect(warnings).toHaveLength(2)
    expect(warnings[0]).toMatch(/^skipped a damaged picture: .*0-cut\.jpg cannot be decoded as a picture/)
  })
  test('repaired between runs are read again', async () => {
    const folder = await folderOf({ 'a/1.png': await flat(5), 'a/2.png': 'text', 'a/3.png': await flat(7) })
    const seen = async (): Promise<readonly string[]> => {
      const skipped: string[] = []
      const { train, test } = await imageFolder(folder, { holdout: 0.3, size: 2, onSkip: (path) => skipped.push(path) })
      for (const part of [train, test]) await all(part.batches({ batch: 1, epoch: 0 })).catch(() => [])
      return skipped
    }
    expect(await seen()).toHaveLength(1)
    await writeFile(join(folder, 'a/2.png'), await flat(6))
    expect(await seen()).toHaveLength(0)
  })
})

test('a picture is not judged by the messages of others that are decoded at the same time', async () => {
  const jpeg = await sharp(await flat(120, [60, 40]))
    .jpeg()
    .toBuffer()
  const table = jpeg.indexOf(Buffer.from([0xff, 0xc4]))
  const end = Buffer.from([0xff, 0xd9])
  const pictures = {
    // Complete, with a warning.
    odd: Buffer.concat([jpeg.subarray(0, table), Buffer.from([1, 2, 3]), jpeg.subarray(table)]),
    // Incomplete, also with a warning.
    short: Buffer.concat([jpeg.subarray(0, -12), end]),
    cut: jpeg.subarray(0, -2),
  }
  const outcomes = new Set<string>()
  for (let round = 0; round < 40; round++)
    await Promise.all(
      Object.entries(pictures).map(async ([name, bytes]) => {
        const said = await decode(bytes, name).then(
          ({ width, height }) => `${width}x${height}`,
          (error: unknown) => (error as Error).message.replace(/.*; /, ''),
        )
        outcomes.add(`${name}: ${said}`)
      }),
    )
  expect([...outcomes].sort()).toEqual([
    'cut: VipsJpeg: premature end of JPEG image',
    'odd: 60x40',
    'short: VipsJpeg: Corrupt JPEG data: premature end of data segment',
  ])
})
