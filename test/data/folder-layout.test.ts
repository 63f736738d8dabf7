/** The class of each picture, the held-out pictures, and errors about folders. */
import { symlink } from 'node:fs/promises'
import { join, relative } from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, test } from 'vitest'
import type { ClassFolder } from '../../src/data/folder-layout.ts'
import { heldOut, imageFolder, testFolder } from '../../src/data/image-folder.ts'
import type { ImageFolderOptions } from '../../src/data/image-folder-options.ts'
import { folderOf, removeFolders } from './picture-folder.ts'

afterAll(removeFolders)

describe('layouts', () => {
  test('train and val: sorted classes, subfolders included, other files ignored', async () => {
    const root = await folderOf({
      'train/dog/b.JPG': '',
      'train/dog/a/z.png': '',
      'train/Cat/1.jpeg': '',
      'train/cow/x.jpg/inside.webp': '',
      'train/notes.txt': '',
      'train/.cache/old.jpg': '',
      'val/cow/1.jpg': '',
      'val/dog/1.jpg': '',
      'val/Cat/1.jpg': '',
      'test/other/1.jpg': '',
    })
    const { train, test } = await imageFolder(root)
    const paths = (files: readonly string[]) => files.map((file) => relative(root, file))
    expect(train.classes).toEqual(['Cat', 'cow', 'dog'])
    expect(test.classes).toEqual(train.classes)
    expect(paths(train.files)).toEqual(
      ['Cat/1.jpeg', 'cow/x.jpg/inside.webp', 'dog/a/z.png', 'dog/b.JPG'].map((p) => `train/${p}`),
    )
    expect([...train.labels]).toEqual([0, 1, 2, 2])
    expect(paths(test.files)).toEqual(['val/Cat/1.jpg', 'val/cow/1.jpg', 'val/dog/1.jpg'])
    expect([train.length, test.length, train.canSkip]).toEqual([4, 3, true])
  })
  test('test/ instead of val/; a class may be a link', async () => {
    const elsewhere = await folderOf({ '1.png': '', '2.png': '' })
    const root = await folderOf({ 'train/a/1.png': '', 'test/a/1.png': '', 'test/b/1.png': '' })
    await symlink(elsewhere, join(root, 'train', 'b'))
    const { train, test } = await imageFolder(root)
    expect([train.length, test.length]).toEqual([3, 2])
  })
  test.each([['train/'], ['']])('holdout in %s<class>/*', async (prefix) => {
    const names = Array.from({ length: 20 }, (_, i) => `${i}.png`)
    const files = ['a', 'b'].flatMap((c) => names.map((name) => [`${prefix}${c}/${name}`, ''] as const))
    const root = await folderOf(Object.fromEntries(files))
    const { train, test } = await imageFolder(root, { holdout: 0.25 })
    expect([train.length, test.length]).toEqual([30, 10])
    expect([...test.labels]).toEqual([...Array<number>(5).fill(0), ...Array<number>(5).fill(1)])
    expect([...train.files, ...test.files].sort()).toEqual(files.map(([path]) => join(root, path)).sort())
    expect((await imageFolder(root, { holdout: 0.25 })).test.files).toEqual(test.files)
    expect((await imageFolder(root, { holdout: 0.25, holdoutSeed: 1 })).test.files).not.toEqual(test.files)
    // The names differ between classes.
    expect(test.files.slice(0, 5).map((f) => f.slice(-6))).not.toEqual(test.files.slice(5).map((f) => f.slice(-6)))
  })
})

describe('a test folder', () => {
  test('is val or test, with or without train, otherwise the whole folder, or a share of it', async () => {
    const names = ['a/1.jpg', 'a/2.jpg', 'b/1.jpg', 'b/2.jpg']
    const inside = (prefix: string) => names.map((name) => [`${prefix}${name}`, ''] as const)
    const found = async (files: readonly (readonly [string, string])[], options: ImageFolderOptions = {}) => {
      const root = await folderOf(Object.fromEntries(files))
      const { files: paths, classes } = await testFolder(root, options)
      expect(classes).toEqual(['a', 'b'])
      return paths.map((path) => relative(root, path))
    }
    expect(await found(inside(''))).toEqual(names)
    expect(await found(inside('val/'))).toEqual(names.map((name) => `val/${name}`))
    expect(await found([...inside('test/'), ...inside('train/')])).toEqual(names.map((name) => `test/${name}`))
    const share = await folderOf(Object.fromEntries(inside('')))
    const { test } = await imageFolder(share, { holdout: 0.5 })
    expect((await testFolder(share, { holdout: 0.5 })).files).toEqual(test.files)
  })
  test('excludes the training pictures', async () => {
    const root = await folderOf({ 'train/a/1.jpg': '', 'train/b/1.jpg': '' })
    await expect(testFolder(root)).rejects.toMatchObject({ code: 'EF403' })
    const own = await folderOf({ 'val/a/1.jpg': '' })
    await expect(testFolder(own, { holdout: 0.5 })).rejects.toMatchObject({ code: 'EF403' })
  })
})

describe('holding out', () => {
  const classes = fc
    .uniqueArray(
      fc.record({
        name: fc.string({ minLength: 1, maxLength: 4 }),
        files: fc.uniqueArray(fc.string({ minLength: 1, maxLength: 5 }), { minLength: 1, maxLength: 30 }),
      }),
      { selector: (c) => c.name, minLength: 1, maxLength: 4 },
    )
    .map((all): readonly ClassFolder[] => all.map(({ name, files }) => ({ name, folder: name, files: files.sort() })))
  const share = fc.double({ min: 0.01, max: 0.99, noNaN: true })
  const seed = fc.nat()
  const filesOf = (all: readonly ClassFolder[], i: number): readonly string[] => all[i]?.files ?? []

  test('takes the share of each class: at least one picture, never all', () => {
    fc.assert(
      fc.property(classes, share, seed, (all, share, seed) => {
        const { train, test } = heldOut(all, { share, seed })
        all.forEach(({ files }, i) => {
          const count = filesOf(test, i).length
          expect([...filesOf(train, i), ...filesOf(test, i)].sort()).toEqual(files)
          expect(count).toBe(
            files.length === 1 ? 0 : Math.min(files.length - 1, Math.max(1, Math.round(share * files.length))),
          )
        })
      }),
    )
  })
  test('does not change with other classes, and changes by at most one picture when one is added', () => {
    fc.assert(
      fc.property(classes, share, seed, fc.string({ minLength: 6, maxLength: 8 }), (all, share, seed, added) => {
        const options = { share, seed }
        const before = heldOut(all, options).test
        all.forEach((one, i) => {
          expect(filesOf(heldOut([one], options).test, 0)).toEqual(filesOf(before, i))
          const after = filesOf(heldOut([{ ...one, files: [...one.files, added].sort() }], options).test, 0)
          const left = filesOf(before, i).filter((file) => !after.includes(file))
          const come = after.filter((file) => !filesOf(before, i).includes(file) && file !== added)
          expect(left.length + come.length).toBeLessThanOrEqual(1)
        })
      }),
    )
  })
  test('selects all pictures with equal frequency', () => {
    const one = { name: 'a', folder: 'a', files: ['1', '2', '3', '4', '5'] }
    const held = Array.from({ length: 2000 }, (_, seed) => filesOf(heldOut([one], { share: 0.2, seed }).test, 0)).flat()
    const counts = one.files.map((file) => held.filter((other) => other === file).length)
    expect(counts.reduce((sum, n) => sum + (n - 400) ** 2 / 400, 0)).toBeLessThan(15)
  })
})

describe('an invalid folder gives an error', () => {
  type Case = readonly [string, Parameters<typeof folderOf>[0], ImageFolderOptions, string, string]
  const cases: readonly Case[] = [
    ['nothing in it', {}, { holdout: 0.1 }, 'EF507', '/PATH has no folders of classes'],
    ['pictures without classes', { '1.jpg': '' }, { holdout: 0.1 }, 'EF507', '/PATH has no folders of classes'],
    ['no classes in train', { train: null, 'val/a/1.jpg': '' }, {}, 'EF507', '/PATH/train has no folders of classes'],
    [
      'empty classes',
      { 'train/a/1.jpg': '', 'train/b': null, 'train/c/notes.txt': '' },
      { holdout: 0.1 },
      'EF507',
      '2 of the 3 classes in /PATH/train have no pictures: b, c',
    ],
    [
      'an empty class to test with',
      { 'train/a/1.jpg': '', 'val/a': null },
      {},
      'EF507',
      '1 of the 1 classes in /PATH/val have no pictures: a',
    ],
    [
      'other classes in val',
      { 'train/a/1.jpg': '', 'train/b/1.jpg': '', 'val/b/1.jpg': '', 'val/c/1.jpg': '', 'val/d/1.jpg': '' },
      {},
      'EF507',
      'train/ and val/ in /PATH have different classes: only in train/: a; only in val/: c, d',
    ],
    ['val without train', { 'val/a/1.jpg': '' }, {}, 'EF507', '/PATH contains val/ but no train/'],
    [
      'nothing to test with',
      { 'a/1.jpg': '' },
      {},
      'EF403',
      '/PATH has no val/ or test/ beside train/, so the option "holdout" must give the share to test with',
    ],
    [
      'one picture in each class',
      { 'a/1.jpg': '', 'b/1.jpg': '' },
      { holdout: 0.5 },
      'EF507',
      'no class in /PATH has more than one picture, so none can be held out for tests',
    ],
    [
      'both a val and a holdout',
      { 'train/a/1.jpg': '', 'val/a/1.jpg': '' },
      { holdout: 0.1 },
      'EF403',
      '/PATH has test data of its own, so the option "holdout" cannot apply',
    ],
  ]
  test.each(cases)('%s', async (_name, files, options, code, message) => {
    const root = await folderOf(files)
    await expect(imageFolder(root, options)).rejects.toMatchObject({ code, message: message.replace('/PATH', root) })
  })
  test('no folder', async () => {
    const root = await folderOf({ file: 'text' })
    await expect(imageFolder(join(root, 'nowhere'))).rejects.toMatchObject({
      code: 'EF501',
      message: `cannot read ${join(root, 'nowhere')}: there is no such file`,
    })
    await expect(imageFolder(join(root, 'file'))).rejects.toMatchObject({
      code: 'EF501',
      message: `cannot read ${join(root, 'file')}: expected a folder, it is a file`,
    })
  })
  test.each([
    [{ holdOut: 0.1 }, 'imageFolder() has no option "holdOut"'],
    [{ holdout: 1 }, 'option "holdout" must be a number above 0 and below 1, got 1'],
    [{ size: 0 }, 'option "size" must be a positive integer, or [height, width], got 0'],
    [{ size: [224] }, 'option "size" must be a positive integer, or [height, width], got [224]'],
    [{ channels: 4 }, 'option "channels" must be 1 or 3, got 4'],
    [{ filter: 'lanczos' }, `option "filter" must be 'triangle' or 'bilinear', got "lanczos"`],
    [{ concurrency: 0 }, 'option "concurrency" must be a positive integer, got 0'],
    [{ prefetch: 1.5 }, 'option "prefetch" must be a positive integer, got 1.5'],
    [{ maxCorrupt: -1 }, 'option "maxCorrupt" must be an integer of at least 0, or Infinity, got -1'],
    [{ onSkip: true }, 'option "onSkip" must be a function of path and reason, got true'],
  ])('the option %o', async (options, message) => {
    await expect(imageFolder('unread', options as ImageFolderOptions)).rejects.toMatchObject({
      code: 'EF403',
      message: expect.stringContaining(message),
    })
  })
})
