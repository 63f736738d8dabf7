/** Checkpoints in a folder. */
import { existsSync, rmSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
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

test('stores, lists, reads and removes files; a missing folder is created', async () => {
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

test('partial files of a killed process are removed; files of a running process and other files stay', async () => {
  const path = join(folder, 'left')
  await mkdir(path)
  const dead = '.step-00000001.safetensors.999999999.0123456789ab.tmp'
  const living = `.step-00000001.safetensors.${process.pid}.0123456789ab.tmp`
  for (const name of [dead, living, '.hidden', 'config.json']) await writeFile(join(path, name), 'x')
  expect(await directory(path).list()).toEqual(['config.json'])
  expect((await readdir(path)).toSorted()).toEqual(['.hidden', living, 'config.json'].toSorted())
})

describe('one run at a time', () => {
  const host = hostname()
  const owner = (more: object) => JSON.stringify({ process: process.pid, host, started: null, token: 'x', ...more })
  const locked = async (name: string, locks: { readonly [file: string]: string }): Promise<string> => {
    const path = join(folder, name)
    await mkdir(path)
    for (const [file, text] of Object.entries(locks)) await writeFile(join(path, file), text)
    return path
  }

  test('a second one is rejected while the first continues, and the error names the process of the first', async () => {
    const path = join(folder, 'busy')
    const lock = await directory(path).lock?.()
    const refused = { code: 'EF508', message: `another run writes ${path}: process ${process.pid} on ${host}` }
    await expect(directory(path).lock?.()).rejects.toMatchObject(refused)
    const other = {
      data: { train: pictures(12) },
      loss: crossEntropy(),
      optimizer: sgd({ learningRate: 1 }),
      epochs: 1,
      batch: 4,
    }
    await expect(
      fit(smallNet(), { ...other, checkpoints: directory(path), resume: true, backend: 'tfjs-cpu' }),
    ).rejects.toMatchObject(refused)
    await lock?.release()
    await lock?.release()
    expect(await readdir(path)).toEqual([])
    await (await directory(path).lock?.())?.release()
  })

  test.each([
    ['that has died', { '.run-lock.3': owner({ process: 999999999 }) }],
    [
      'that has died, and of one that died while it took over',
      { '.run-lock.3': owner({ process: 999999999 }), '.run-lock.4': owner({ process: 999999998 }) },
    ],
    ...(existsSync('/proc/self/stat')
      ? [['whose number another has by now', { '.run-lock.1': owner({ started: '1' }) }] as const]
      : []),
  ] as const)('the lock of a process %s does not count', async (name, locks) => {
    const path = await locked(name.replaceAll(/\W/g, '-'), locks)
    const lock = await directory(path).lock?.()
    expect(await readdir(path)).toHaveLength(1)
    await lock?.release()
    expect(await readdir(path)).toEqual([])
  })

  test.each([
    ['of another machine', owner({ host: 'elsewhere', process: 999999999 })],
    ['without words', ''],
  ])('a lock %s counts, and the message says what to remove', async (name, text) => {
    const path = await locked(name.replaceAll(' ', '-'), { '.run-lock.1': text })
    await expect(directory(path).lock?.()).rejects.toMatchObject({
      code: 'EF508',
      hint: `wait for it or end it; if it no longer runs, remove ${join(path, '.run-lock.1')}`,
    })
    expect(await readdir(path)).toEqual(['.run-lock.1'])
  })

  test('of many concurrent processes that replace a dead lock, only one holds it at a time', async () => {
    const path = await locked('many', { '.run-lock.7': owner({ process: 999999999 }) })
    let [holding, most, taken] = [0, 0, 0]
    const contender = async (): Promise<void> => {
      for (let round = 0; round < 20; round++) {
        const lock = await directory(path)
          .lock?.()
          .catch(() => undefined)
        if (lock === undefined) continue
        taken++
        most = Math.max(most, ++holding)
        await setImmediate()
        holding--
        await lock.release()
      }
    }
    await Promise.all(Array.from({ length: 8 }, contender))
    expect(most).toBe(1)
    expect(taken).toBeGreaterThan(0)
  })
})

describe('a folder that disappears while a run writes to it', () => {
  const opened = async (name: string) => {
    const path = join(folder, name)
    const store = directory(path)
    const lock = await store.lock?.()
    await store.write('a', Uint8Array.of(1))
    return { path, store, lock }
  }
  const isGone = { code: 'EF501', message: expect.stringMatching(/was renamed or deleted while a run wrote to it/) }

  test('renamed: nothing is written under the old name, and files go to the new one', async () => {
    const { path, store, lock } = await opened('before')
    await rename(path, join(folder, 'after'))
    await expect(store.write('b', Uint8Array.of(2))).rejects.toMatchObject(isGone)
    await expect(store.list()).rejects.toMatchObject(isGone)
    expect(await store.rescue?.('b', Uint8Array.of(2))).toBe(join(folder, 'after', 'b'))
    await lock?.release()
    expect((await readdir(join(folder, 'after'))).toSorted()).toEqual(['a', 'b'])
    expect(existsSync(path)).toBe(false)
  })

  test('deleted: files go to a new folder', async () => {
    const { path, store, lock } = await opened('deleted')
    await rm(path, { recursive: true })
    await mkdir(`${path}-rescued`)
    await expect(store.write('b', Uint8Array.of(2))).rejects.toMatchObject(isGone)
    expect(await store.rescue?.('b', Uint8Array.of(2))).toBe(join(`${path}-rescued-2`, 'b'))
    await lock?.release()
    expect(existsSync(path)).toBe(false)
  })

  test('unchanged: no file goes elsewhere', async () => {
    const { store } = await opened('there')
    expect(await store.rescue?.('b', Uint8Array.of(2))).toBe(null)
  })

  test('a run reports the new folder, and can be resumed there with the same bits', async () => {
    const settings = {
      ...{
        data: { train: pictures(32, { canSkip: true }) },
        loss: crossEntropy(),
        optimizer: sgd({ learningRate: 0.1 }),
      },
      ...{ epochs: 2, batch: 4, checkpointEvery: 3, backend: 'tfjs-cpu' as const },
    }
    const path = join(folder, 'lost')
    await expect(
      fit(smallNet(), {
        ...settings,
        checkpoints: directory(path),
        onEvent: (event) => {
          if (event.kind === 'step' && event.step === 5) rmSync(path, { recursive: true })
        },
      }),
    ).rejects.toMatchObject({
      ...isGone,
      message: expect.stringMatching(/; the run is in .*lost-rescued.step-00000006\.safetensors$/),
    })
    expect(existsSync(path)).toBe(false)
    const [wanted, rescued] = [join(folder, 'whole'), `${path}-rescued`]
    using _ = await fit(smallNet(), { ...settings, checkpoints: directory(wanted) })
    using __ = await fit(smallNet(), { ...settings, checkpoints: directory(rescued), resume: true })
    const last = 'step-00000016.safetensors'
    expect((await readFile(join(rescued, last))).equals(await readFile(join(wanted, last)))).toBe(true)
  })
})

describe('an unusable folder ends a run before it starts', () => {
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
