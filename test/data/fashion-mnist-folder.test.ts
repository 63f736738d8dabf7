/**
 * scripts/fashion-mnist-folder.mjs on small files in the format of the data set: each picture is in the folder of its class with the same bits, and
 * errors are clear.
 */
import { execFile } from 'node:child_process'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { folderOf, removeFolders } from './picture-folder.ts'

afterAll(removeFolders)

const program = fileURLToPath(new URL('../../scripts/fashion-mnist-folder.mjs', import.meta.url))
const runScript = (...args: readonly string[]): Promise<{ readonly code: unknown; readonly err: string }> =>
  new Promise((resolve) =>
    execFile(process.execPath, [program, ...args], (error, _out, err) => resolve({ code: error?.code ?? 0, err })),
  )

/** The file format: two zeros, 8 for bytes, the rank; the sizes as big-endian words; the bytes. */
const idx = (shape: readonly number[], data: readonly number[]): Buffer =>
  gzipSync(Buffer.from([0, 0, 8, shape.length, ...shape.flatMap((size) => [0, 0, size >> 8, size & 255]), ...data]))
/** The pixels of row n: 28 wide and 3 high, all different. */
const pixelsOf = (n: number): readonly number[] => Array.from({ length: 84 }, (_, i) => (97 * n + 3 * i) % 256)
const part = (labels: readonly number[]) => ({
  images: idx(
    [labels.length, 3, 28],
    labels.flatMap((_, n) => pixelsOf(n)),
  ),
  labels: idx([labels.length], labels),
})
const filesOf = (train: ReturnType<typeof part>, test: ReturnType<typeof part>) => ({
  'train-images-idx3-ubyte.gz': train.images,
  'train-labels-idx1-ubyte.gz': train.labels,
  't10k-images-idx3-ubyte.gz': test.images,
  't10k-labels-idx1-ubyte.gz': test.labels,
})

const whole = filesOf(part([9, 0, 8, 9, 0]), part([1, 1]))
let source = ''
beforeAll(async () => {
  source = await folderOf(whole)
})

test('writes the first training pictures and all test pictures into folders by class', async () => {
  const target = await folderOf({})
  expect(await runScript(target, '--train', '4', '--from', source)).toMatchObject({ code: 0 })
  const found = (await readdir(target, { recursive: true })).filter((name) => name.endsWith('.png')).sort()
  expect(found).toEqual([
    'test/trouser/00000.png',
    'test/trouser/00001.png',
    'train/ankle-boot/00000.png',
    'train/ankle-boot/00003.png',
    'train/bag/00002.png',
    'train/t-shirt/00001.png',
  ])
  expect((await readdir(join(target, 'train'))).length).toBe(10)
  for (const name of found) {
    const picture = sharp(join(target, name))
    expect(await picture.metadata()).toMatchObject({ width: 28, height: 3, channels: 1 })
    const data = await picture.toColourspace('b-w').raw().toBuffer()
    expect([...data]).toEqual(pixelsOf(Number(/(\d+)\.png$/.exec(name)?.[1])))
  }
})

describe('an error gives the cause and the fix', () => {
  const faults: readonly (readonly [string, object, readonly string[], RegExp])[] = [
    ['a file that is missing', { 't10k-labels-idx1-ubyte.gz': null }, [], /t10k-labels-idx1-ubyte\.gz cannot be read/],
    ['no gzip', { 'train-images-idx3-ubyte.gz': 'text' }, [], /train-images.*cannot be unpacked .*Fetch it again/],
    [
      'another rank',
      { 'train-labels-idx1-ubyte.gz': whole['train-images-idx3-ubyte.gz'] },
      [],
      /not an array.* of rank 1/,
    ],
    ['too little data', { 'train-labels-idx1-ubyte.gz': idx([5], [1]) }, [], /damaged: .*5 bytes, and 1 follow/],
    ['a label for each', { 'train-labels-idx1-ubyte.gz': idx([4], [1, 2, 3, 4]) }, [], /5 pictures and 4 labels/],
    ['a label above 9', { 't10k-labels-idx1-ubyte.gz': idx([2], [1, 10]) }, [], /the label 10 in t10k/],
    ['more than there are', {}, ['--train', '6'], /--train 6 is more than the 5 pictures/],
    ['a count that is none', {}, ['--train', '1.5'], /--train must be an integer of at least 1, got "1\.5"/],
    ['an option that is none', {}, ['--trian', '1'], /Unknown option '--trian'.*Usage: /],
    ['two folders', {}, ['other'], /One folder to write is needed, got 2/],
  ]
  test.each(faults)('%s', async (_, change, args, message) => {
    const { code, err } = await runScript(
      await folderOf({}),
      '--from',
      await folderOf({ ...whole, ...change }),
      ...args,
    )
    expect([code !== 0, err]).toEqual([true, expect.stringMatching(message)])
    expect(err).not.toMatch(/^ +at /m)
  })
  test('a folder that is not empty', async () => {
    const { code, err } = await runScript(source, '--from', source)
    expect([code, err]).toEqual([1, expect.stringMatching(/is not empty: it holds t10k-images/)])
  })
  test('a file where the folder should be', async () => {
    const { code, err } = await runScript(join(source, 't10k-labels-idx1-ubyte.gz'), '--from', source)
    expect([code, err]).toEqual([1, expect.stringMatching(/cannot be used as a folder \(ENOTDIR\)/)])
  })
})
