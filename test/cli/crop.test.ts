/** Crops and mirroring of a run: flags and recipes set them, checkpoints contain them, and readers apply them. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openData, openTestData } from '../../src/cli/train/open-data.ts'
import { readImage } from '../../src/data/read-image.ts'
import { readSafetensors } from '../../src/io/safetensors.ts'
import { openModel } from '../../src/models/open-model.ts'
import type { DataSource } from '../../src/train/source.ts'
import { folderOf, ramp, removeFolders } from '../data/picture-folder.ts'
import { run, tinyRecipe, writeRecipe } from './command.ts'

let folder = ''
let pictures = ''
let recipe = ''
const at = (name: string): string => join(folder, name)
/** Ramps: the center of a ramp differs from the whole. */
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'effuse-crop-'))
  const files: { [path: string]: Buffer | string } = { 'train/wide/notes.bmp': 'not read' }
  for (let i = 0; i < 4; i++) {
    files[`${i < 3 ? 'train' : 'val'}/wide/${i}.png`] = await ramp(60 + i, 40)
    files[`${i < 3 ? 'train' : 'val'}/tall/${i}.png`] = await ramp(40, 60 + i)
  }
  pictures = await folderOf(files)
  recipe = await writeRecipe(at('tiny.json'), {
    data: pictures,
    architecture: { ...tinyRecipe.architecture, inChannels: 3 },
    stepsPerEpoch: null,
    batch: 3,
    epochs: 1,
    evaluationBatch: 2,
  })
})
afterAll(async () => {
  await rm(folder, { recursive: true })
  await removeFolders()
})

const train = (name: string, ...flags: readonly string[]) =>
  run('train', '--recipe', recipe, '--out', at(name), ...flags)
const configOf = async (name: string): Promise<unknown> =>
  JSON.parse(await readFile(join(at(name), 'config.json'), 'utf8'))
const lossOf = async (name: string): Promise<number> => {
  const lines = (await readFile(join(at(name), 'metrics.jsonl'), 'utf8')).trim().split('\n')
  return JSON.parse(lines.at(-1) ?? '{}').loss
}
const jsonOf = async (...argv: readonly string[]) => JSON.parse((await run(...argv, '--json')).out)

describe.each([
  ['none', 'none', 'center', ['--crop', 'none', '--no-flip'], { crop: 'none', cropArea: null, flip: false }],
  ['center', 'center', 'none', ['--crop', 'center'], { crop: 'center', cropArea: null, flip: null }],
  ['box', 'center', 'none', ['--crop-area', '0.25,0.5', '--flip'], { crop: null, cropArea: [0.25, 0.5], flip: true }],
  ['default', 'center', 'none', [], { crop: null, cropArea: null, flip: null }],
] as const)('a run with %s', (name, kept, other, flags, settings) => {
  beforeAll(async () => expect((await train(name, ...flags)).code).toBe(0))

  test('stores its settings in config.json, and the matching crop in its checkpoints', async () => {
    expect(await configOf(name)).toMatchObject(settings)
    const { metadata } = readSafetensors(await readFile(join(at(name), 'best.safetensors')))
    expect(metadata.get('effuse.crop')).toBe(kept)
    expect((await openModel(at(name))).crop).toBe(kept)
  })
  test('is evaluated with the crop of its tests, unless a flag changes it', async () => {
    const loss = await lossOf(name)
    expect((await jsonOf('evaluate', at(name))).loss).toBeCloseTo(loss, 5)
    expect((await jsonOf('evaluate', at(name), '--crop', kept)).loss).toBeCloseTo(loss, 5)
    const otherwise = (await jsonOf('evaluate', at(name), '--crop', other)).loss
    expect(Math.abs(otherwise - loss)).toBeGreaterThan(1e-4)
  })
  test('predicts with the same crop, unless a flag changes it', async () => {
    const named = async (...crop: readonly string[]) =>
      (await jsonOf('predict', join(pictures, 'val/wide/3.png'), '--weights', at(name), ...crop)).results[0].top
    expect(await named()).toEqual(await named('--crop', kept))
    expect(await named()).not.toEqual(await named('--crop', other))
  })
})

test('a resumed run without --crop keeps its setting; with the flag, it uses the new setting from there on', async () => {
  expect((await train('going', '--crop', 'none')).code).toBe(0)
  expect((await run('train', '--resume', at('going'), '--epochs', '2')).code).toBe(0)
  expect((await openModel(join(at('going'), 'step-00000004.safetensors'))).crop).toBe('none')
  const changed = await run('train', '--resume', at('going'), '--epochs', '3', '--crop', 'center')
  expect([changed.code, changed.err]).toEqual([
    0,
    expect.stringContaining('note: --crop was "none" and is now "center"'),
  ])
  expect((await openModel(join(at('going'), 'step-00000006.safetensors'))).crop).toBe('center')
})

test('a flag overrides the recipe', async () => {
  const other = at('other.json')
  const settings = { ...JSON.parse(await readFile(recipe, 'utf8')), crop: 'box', cropArea: [0.5, 1], flip: false }
  await writeFile(other, JSON.stringify(settings))
  const { code } = await run('train', '--recipe', other, '--crop', 'none', '--flip', '--out', at('back'))
  expect([code, await configOf('back')]).toEqual([
    0,
    expect.objectContaining({ crop: 'none', cropArea: null, flip: true }),
  ])
})

test('oddities of the data are notes of the command', async () => {
  const { err } = await train('odd')
  expect(err.match(/^note: .*\.bmp.*$/gm)?.length).toBe(1)
})

describe('the data of a run', () => {
  const rowsOf = async (source: DataSource): Promise<readonly Uint8Array[]> => {
    const rows: Uint8Array[] = []
    for await (const { image } of source.batches({ batch: 1, epoch: 0, seed: 0, size: [12, 12] }))
      rows.push(image as Uint8Array) // pictures are bytes
    return rows
  }
  const settings = () => ({ data: pictures, holdout: null, channels: 3, say: () => {} })
  /** The increase of red from left to right: 255 in a whole picture. */
  const rise = (row: Uint8Array): number => (row[5 * 36 + 33] ?? 0) - (row[5 * 36] ?? 0)

  test('has whole, unmirrored pictures if the settings say so', async () => {
    const { train, test } = await openData({ ...settings(), crop: 'none', flip: false })
    const whole = async (names: readonly string[]) =>
      Promise.all(names.map((name) => readImage(join(pictures, name), { size: 12, crop: 'none' })))
    const bytes = (rows: readonly Uint8Array[]) => rows.map((row) => [...row].join()).sort()
    const names = ['tall/0', 'tall/1', 'tall/2', 'wide/0', 'wide/1', 'wide/2'].map((name) => `train/${name}.png`)
    expect(bytes(await rowsOf(train))).toEqual(bytes(await whole(names)))
    const held = await whole(['val/tall/3.png', 'val/wide/3.png'])
    expect(await rowsOf(test)).toEqual(held)
    expect(await rowsOf(await openTestData({ ...settings(), crop: 'none' }))).toEqual(held)
  })
  test('are boxes with the area share of the settings', async () => {
    const { train } = await openData({ ...settings(), cropArea: [0.1, 0.15], flip: false })
    for (const row of await rowsOf(train)) expect(rise(row)).toBeLessThan(170) // at most 0.15 * 1.33 of a square: 0.45 of the width
  })
})

test.each<[string, readonly string[], RegExp]>([
  ['a crop that is none', ['--crop', 'middle'], /EF601: --crop must be one of box, center, none, got "middle"/],
  [
    'one share',
    ['--crop-area', '0.5'],
    /EF601: --crop-area must be two numbers above 0 and up to 1.*, or none, got "0\.5"/,
  ],
  ['shares that fall', ['--crop-area', '1,0.5'], /EF601: --crop-area must be two numbers/],
  [
    'shares of no box',
    ['--crop', 'none', '--crop-area', '0.5,1'],
    /EF403: --crop-area is for --crop box, but here it is none/,
  ],
  ['boxes of digits', ['--data', 'digits', '--crop', 'box'], /EF403: --crop is for folders of pictures/],
  ['mirrored digits', ['--data', 'digits', '--flip'], /EF403: --flip is for folders of pictures/],
])('%s is an error', async (_, flags, message) => {
  const { code, err } = await train('never', ...flags)
  expect([code, err]).toEqual([2, expect.stringMatching(message)])
})

test('evaluate and predict reject random boxes', async () => {
  for (const argv of [
    ['evaluate', at('default')],
    ['predict', join(pictures, 'val/wide/3.png'), '--weights', at('default')],
  ]) {
    const { code, err } = await run(...argv, '--crop', 'box')
    expect([code, err]).toEqual([2, expect.stringMatching(/EF601: --crop must be one of center, none, got "box"/)])
  }
})
