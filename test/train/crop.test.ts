/** The crop of a network's pictures is stored with its weights: from the training data to openModel(). */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { imageFolder } from '../../src/data/image-folder.ts'
import { openModel } from '../../src/models/open-model.ts'
import { crossEntropy } from '../../src/passes/train/losses.ts'
import { sgd } from '../../src/passes/train/optimizers.ts'
import { memoryStore } from '../../src/train/checkpoint-store.ts'
import { fit } from '../../src/train/fit.ts'
import type { FitOptions } from '../../src/train/fit-options.ts'
import { folderOf, ramp, removeFolders } from '../data/picture-folder.ts'
import { pictures, smallNet } from './small-data.ts'

let folder = ''
beforeAll(async () => {
  const picture = await ramp(20, 16)
  const names = ['both', 'left', 'right'].flatMap((name) => [0, 1].map((i) => `${name}/${i}.png`))
  folder = await folderOf(Object.fromEntries(names.map((name) => [name, picture])))
})
afterAll(removeFolders)

type Changes = Pick<FitOptions, 'data'> & Partial<Pick<FitOptions, 'checkpoints' | 'metadata'>>
const trained = (changes: Changes) =>
  fit(smallNet(), {
    ...{ loss: crossEntropy(), optimizer: sgd({ learningRate: 0 }), epochs: 1, batch: 3, emaDecay: 0.5 },
    ...{ backend: 'tfjs-cpu', ...changes },
  })
const cropOf = async (bytes: Uint8Array): Promise<string> => (await openModel(bytes)).crop

describe.each([
  ['none', 'none'],
  ['center', 'center'],
  ['box', 'center'],
] as const)('of an image folder with crop: %j', (crop, kept) => {
  test(`all files say ${kept}`, async () => {
    const data = await imageFolder(folder, { holdout: 0.5, channels: 1, size: 8, crop })
    const checkpoints = memoryStore()
    using run = await trained({ data, checkpoints })
    expect([data.train.crop, data.test.crop]).toEqual([kept, kept])
    expect(await cropOf(await checkpoints.read('step-00000001.safetensors'))).toBe(kept)
    const saved = await run.variables.save()
    expect(await cropOf(saved)).toBe(kept)
    expect(await cropOf(await run.variables.averages.save())).toBe(kept)
    expect((await openModel(saved, { model: smallNet() })).crop).toBe(kept)
    expect((await openModel(saved, { head: false })).crop).toBe(kept)
    // The weights that openModel returns are an ordinary file.
    expect(await cropOf((await openModel(saved)).weights)).toBe(kept)
  })
})

test('a user’s source may set `crop`; a file without the setting uses the center', async () => {
  for (const [crop, kept] of [
    [undefined, 'center'],
    ['center', 'center'],
    ['none', 'none'],
  ] as const) {
    using run = await trained({ data: { train: { ...pictures(3), crop } } })
    expect(await cropOf(await run.variables.save())).toBe(kept)
  }
})

test.each([['box'], [''], [null]])('a source with crop: %j is rejected', async (crop) => {
  const train = { ...pictures(3), crop } as never
  await expect(trained({ data: { train } })).rejects.toMatchObject({
    code: 'EF403',
    message: expect.stringContaining("crop, if any, 'center' or 'none'"),
  })
})
