/** effuse train and evaluate on folders of pictures. */
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openModel } from '../../src/models/open-model.ts'
import { flat, folderOf } from '../data/picture-folder.ts'
import { run, tinyRecipe, writeRecipe } from './command.ts'

let folder = ''
let pictures = ''
let recipe = ''
const at = (name: string): string => join(folder, name)
/** Dark and bright pictures: of each six for training and two for tests. */
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'effuse-train-folder-'))
  const files: { [path: string]: Buffer } = {}
  for (const [name, value] of [
    ['bright', 200],
    ['dark', 20],
  ] as const)
    for (let i = 0; i < 8; i++)
      files[`${i < 6 ? 'train' : 'val'}/${name}/${i}.png`] = await flat(value + 5 * i, [24, 20])
  pictures = await folderOf(files)
  recipe = await writeRecipe(at('tiny.json'), {
    data: pictures,
    architecture: { ...tinyRecipe.architecture, inChannels: 3 },
    stepsPerEpoch: null,
    batch: 4,
    epochs: 2,
    evaluationBatch: 3,
  })
})
afterAll(async () => {
  await rm(folder, { recursive: true })
  await rm(pictures, { recursive: true })
})

test('a folder with a part for tests', async () => {
  const { code, out } = await run('train', '--recipe', recipe, '--out', at('split'), '--json')
  expect(code).toBe(0)
  const { checkpoint, steps } = JSON.parse(out)
  expect(steps).toBe(6)
  expect((await openModel(checkpoint)).labels).toEqual(['bright', 'dark'])
  const evaluated = JSON.parse((await run('evaluate', at('split'), '--json')).out)
  expect(evaluated).toMatchObject({ data: pictures, count: 4, top1: JSON.parse(out).top1 })
  const predicted = await run('predict', join(pictures, 'val/dark/7.png'), '--weights', at('split'), '--json')
  expect(
    JSON.parse(predicted.out)
      .results[0].top.map((entry: { label: string }) => entry.label)
      .sort(),
  ).toEqual(['bright', 'dark'])
})

test('a folder without a test part needs --holdout, and grey pictures are an option', async () => {
  const all = join(pictures, 'train')
  const without = await run('train', '--recipe', recipe, '--data', all, '--out', at('never'))
  expect([without.code, without.err]).toEqual([2, expect.stringMatching(/EF403: .*holdout/)])
  const grey = await writeRecipe(at('grey.json'), { stepsPerEpoch: null, batch: 4, epochs: 1, evaluationBatch: 4 })
  const { code, out } = await run(
    'train',
    '--recipe',
    grey,
    '--data',
    all,
    '--holdout',
    '0.34',
    '--out',
    at('held'),
    '--json',
  )
  expect(code).toBe(0)
  expect(JSON.parse(out).steps).toBe(2) // 8 of 12 for training
  expect(JSON.parse((await run('evaluate', at('held'), '--json')).out).count).toBe(4)
})

test('a folder of classes is used completely for tests, unless the run held out a part of it', async () => {
  const { code, out } = await run('evaluate', at('split'), '--data', join(pictures, 'train'), '--json')
  expect([code, JSON.parse(out)]).toEqual([0, expect.objectContaining({ count: 12 })])
  const own = join(pictures, 'train', '..', 'train')
  const held = await run('evaluate', at('held'), '--data', own, '--json')
  expect(JSON.parse(held.out).count).toBe(4)
})

test('a damaged picture is reported, and the run continues', async () => {
  const damaged = at('damaged')
  await cp(pictures, damaged, { recursive: true })
  await writeFile(join(damaged, 'train/dark/0.png'), 'no picture at all')
  const { code, err } = await run('train', '--recipe', recipe, '--data', damaged, '--out', at('mended'))
  expect(code).toBe(0)
  expect(err.match(/note: a picture was skipped: .*train\/dark\/0\.png /g)?.length).toBe(1)
})

test('unread files are reported in a note', async () => {
  const mixed = at('mixed')
  await cp(pictures, mixed, { recursive: true })
  await writeFile(join(mixed, 'train/dark/0.bmp'), 'BM')
  const { code, err } = await run('train', '--recipe', recipe, '--data', mixed, '--out', at('mixed-run'))
  expect(code).toBe(0)
  expect(err).toMatch(/^note: 1 file in .* is not read, because of the ending: 1 \.bmp/m)
})

test('a run with other classes cannot be resumed', async () => {
  const changing = at('changing')
  await cp(pictures, changing, { recursive: true })
  expect((await run('train', '--recipe', recipe, '--data', changing, '--out', at('grown'))).code).toBe(0)
  for (const part of ['train', 'val']) {
    await mkdir(join(changing, part, 'dim'))
    await writeFile(join(changing, part, 'dim', '0.png'), await flat(100))
  }
  const { code, err } = await run('train', '--resume', at('grown'), '--epochs', '3')
  expect([code, err]).toEqual([1, expect.stringMatching(/EF508: [\s\S]*the checkpoint has 2 classes, the data 3/)])
  const evaluated = await run('evaluate', at('grown'))
  expect([evaluated.code, evaluated.err]).toEqual([
    1,
    expect.stringMatching(/EF701: .*has 2 classes, but the data has 3/),
  ])
  expect(JSON.parse(await readFile(join(at('grown'), 'config.json'), 'utf8')).epochs).toBe(2)
})

test("other data than the recipe's drops the recipe's data settings", async () => {
  const missing = await run('train', '--recipe', 'digits', '--data', at('missing'), '--out', at('never'))
  expect([missing.code, missing.err]).toEqual([1, expect.stringMatching(/^error EF501: .*missing/)])
  const ofDigits = await writeRecipe(at('of-digits.json'), {
    ...{ augmentation: 2, stages: 2, baseAugmentation: 1, size: 16, baseSize: 8 },
    ...{ stepsPerEpoch: null, batch: 4, epochs: 2, evaluationBatch: 4 },
  })
  const { code, err } = await run(
    'train',
    '--recipe',
    ofDigits,
    '--data',
    pictures,
    '--out',
    at('other-data'),
    '--json',
  )
  expect([code, err]).toEqual([0, expect.stringContaining("note: the recipe's --augmentation 2 contradicts")])
  expect(err).toContain("note: the recipe's --base-augmentation 1 contradicts")
  expect(JSON.parse(await readFile(join(at('other-data'), 'config.json'), 'utf8'))).toMatchObject({
    ...{ data: pictures, augmentation: null, baseAugmentation: null, baseSize: 8 },
  })
  const ofFolder = await writeRecipe(at('of-folder.json'), {
    data: pictures,
    holdout: 0.5,
    crop: 'box',
    cropArea: [0.5, 1],
    flip: true,
  })
  const digits = await run(
    'train',
    '--recipe',
    ofFolder,
    '--data',
    'digits',
    '--optimizer',
    'sgd',
    '--out',
    at('to-digits'),
  )
  expect([digits.code, digits.err.match(/(?<=^note: the recipe's )--[\w-]+(?= .* is ignored$)/gm)?.sort()]).toEqual([
    0,
    ['--crop', '--crop-area', '--flip', '--holdout', '--initial-mean-square'],
  ])
})

test('contradictory settings are named with their place: the file, or a flag', async () => {
  const file = await writeRecipe(at('contradicts.json'), { data: pictures, holdout: 0.5, augmentation: 2 })
  const found = await run('train', '--recipe', file, '--out', at('never'))
  expect([found.code, found.err]).toEqual([
    2,
    expect.stringMatching(
      /EF403: "augmentation" in \S+contradicts\.json is for --data digits; .*\n {2}hint: leave "augmentation" in \S+ out, or give --augmentation none\n/,
    ),
  ])
  expect((await run('train', '--recipe', file, '--augmentation', '1', '--out', at('never'))).err).toContain(
    'EF403: --augmentation is for',
  )
  const ofSgd = await writeRecipe(at('of-sgd.json'), { optimizer: 'sgd', initialMeanSquare: null })
  const belongs = await run('train', '--recipe', ofSgd, '--rho', '0.5', '--out', at('never'))
  expect(belongs.err).toMatch(/EF403: --rho is for "optimizer" in \S+of-sgd\.json rmsprop/)
  await run('train', '--recipe', recipe, '--out', at('to-resume'), '--epochs', '1')
  const resumed = await run('train', '--resume', at('to-resume'), '--augmentation', '1')
  expect(resumed.err).toContain('EF403: --augmentation is for')
})

test.each<[string, readonly string[], number, RegExp]>([
  ['a folder that is none', ['--data', 'NOWHERE'], 1, /EF501: .*nowhere/],
  ['a strength of augmentation', ['--augmentation', '1'], 2, /EF403: --augmentation is for --data digits/],
  [
    'a larger batch than there are pictures',
    ['--batch', '13'],
    1,
    /EF701: one update takes 13 rows .*, but the training data has 12/,
  ],
  ['digits in colour', ['--data', 'digits'], 1, /EF701: the digits have 1 channel, but the model takes 3/],
])('%s is an error', async (_, flags, code, message) => {
  const given = flags.map((word) => word.replace('NOWHERE', at('nowhere')))
  const { code: came, err } = await run('train', '--recipe', recipe, ...given, '--out', at('never'))
  expect([came, err]).toEqual([code, expect.stringMatching(message)])
})
