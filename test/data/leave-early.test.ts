/** Stopping a loop over batches early: no work continues, and all resources are released. */
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { build } from 'esbuild'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { imageFolder } from '../../src/data/image-folder.ts'
import { all, folderOf, ramp, removeFolders } from './picture-folder.ts'

let ramps = ''
beforeAll(async () => {
  const picture = await ramp(60, 44)
  ramps = await folderOf(Object.fromEntries(Array.from({ length: 40 }, (_, n) => [`a/${n}.png`, picture])))
})
let place = ''
afterAll(async () => {
  await removeFolders()
  if (place !== '') await rm(place, { recursive: true })
})

test('releases all resources: a program that stops reading early exits', async () => {
  const cache = fileURLToPath(new URL('../../node_modules/.cache', import.meta.url))
  await mkdir(cache, { recursive: true })
  // In the cache next to the packages, so that Node finds them.
  place = await mkdtemp(join(cache, 'effuse-leave-'))
  await build({
    entryPoints: {
      run: fileURLToPath(new URL('left-early-program.ts', import.meta.url)),
      'picture-worker': fileURLToPath(new URL('../../src/data/picture-worker.ts', import.meta.url)),
    },
    outdir: place,
    outExtension: { '.js': '.mjs' },
    ...{ bundle: true, platform: 'node', format: 'esm', packages: 'external', target: 'node20' },
    conditions: ['effuse-source', 'node', 'import'],
  })
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [join(place, 'run.mjs'), ramps])
  expect(stderr).toBe('')
  expect(stdout).toMatch(/^threads: there$/m)
  expect(Number(/^ended after ([\d.]+) ms$/m.exec(stdout)?.[1])).toBeLessThan(5000)
})
test('an abort rejects, also while a batch is pending', async () => {
  const { train } = await imageFolder(ramps, { holdout: 0.1 })
  for (const isWaiting of [false, true]) {
    const abort = new AbortController()
    const batches = train.batches({ batch: 6, epoch: 0, signal: abort.signal })
    await batches.next()
    const next = isWaiting ? batches.next() : null
    abort.abort(new Error('enough'))
    await expect(next ?? batches.next()).rejects.toThrow('enough')
    expect(await batches.next()).toEqual({ done: true, value: undefined })
  }
  await expect(
    all(train.batches({ batch: 6, epoch: 0, signal: AbortSignal.abort(new Error('before')) })),
  ).rejects.toThrow('before')
})
test('an invalid request fails at the call', async () => {
  const { train } = await imageFolder(ramps, { holdout: 0.1 })
  expect(() => train.batches({ batch: 0, epoch: 0 })).toThrow(expect.objectContaining({ code: 'EF403' }))
  expect(() => train.batches({ batch: 1, epoch: 0, size: [100_000, 8] })).toThrow(
    expect.objectContaining({ code: 'EF403', message: expect.stringContaining('"size"') }),
  )
})
