/** Checkpoints in a folder. */
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { crossEntropy } from '../../src/passes/train/losses.ts'
import { sgd } from '../../src/passes/train/optimizers.ts'
import { directory } from '../../src/train/directory.ts'
import { fit } from '../../src/train/fit.ts'
import { pictures, smallNet } from './small-data.ts'

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'effuse-directory-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

test('keeps, lists, reads and removes files; the folder is made where it is missing', async () => {
  const path = join(folder, 'a', 'b')
  const store = directory(path)
  expect(await store.list()).toEqual([])
  await store.write('x.safetensors', Uint8Array.of(1, 2))
  await store.write('x.safetensors', Uint8Array.of(3))
  expect(await store.list()).toEqual(['x.safetensors'])
  expect(await store.read('x.safetensors')).toEqual(Uint8Array.of(3))
  await store.remove('x.safetensors')
  await store.remove('x.safetensors')
  expect(await readdir(path)).toEqual([])
  await expect(store.read('x.safetensors')).rejects.toMatchObject({ code: 'EF501' })
  expect(() => directory('')).toThrow(/path of a folder/)
})

test('what a killed process left half-written goes; what a living one writes stays, and so do other files', async () => {
  const path = join(folder, 'left')
  await mkdir(path)
  const dead = '.step-00000001.safetensors.999999999.0123456789ab.tmp'
  const living = `.step-00000001.safetensors.${process.pid}.0123456789ab.tmp`
  for (const name of [dead, living, '.hidden', 'config.json']) await writeFile(join(path, name), 'x')
  expect(await directory(path).list()).toEqual(['config.json'])
  expect((await readdir(path)).toSorted()).toEqual(['.hidden', living, 'config.json'].toSorted())
})

describe('a folder that cannot be used ends a run before it begins', () => {
  const train: Parameters<typeof fit>[1]['data']['train'] = {
    ...pictures(12),
    batches: () => {
      throw new Error('the data was asked for')
    },
  }
  test('a file is in the way', async () => {
    const path = join(folder, 'file')
    await writeFile(path, 'x')
    for (const taken of [path, join(path, 'inside')])
      await expect(
        fit(smallNet(), {
          ...{ data: { train }, loss: crossEntropy(), optimizer: sgd({ learningRate: 1 }), epochs: 1, batch: 4 },
          ...{ checkpoints: directory(taken), backend: 'tfjs-cpu' },
        }),
      ).rejects.toMatchObject({
        code: 'EF501',
        message: expect.stringContaining(`the folder ${taken} cannot be used`),
        hint: expect.stringContaining('no file of that name is in the way'),
      })
  })
})
