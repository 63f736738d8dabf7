/** Threads that prepare pictures do not affect the results or the rest of the program. */
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { getPriority } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { imageFolder } from '../../src/data/image-folder.ts'
import type { ImageFolderOptions } from '../../src/data/image-folder-options.ts'
import * as jobs from '../../src/data/picture-job.ts'
import { jobStream } from '../../src/data/picture-pool.ts'
import * as place from '../support/worker-url.ts'
import { all, folderOf, ramp, removeFolders } from './picture-folder.ts'

let root = ''
beforeAll(async () => {
  const pictures = await Promise.all(Array.from({ length: 30 }, (_, n) => ramp(50 + n, 70 - n)))
  root = await folderOf({
    ...Object.fromEntries(pictures.map((picture, n) => [`train/${n % 2 === 0 ? 'a' : 'b'}/${n}.png`, picture])),
    'train/a/30.png': 'no picture',
    'val/a/1.png': pictures[3] ?? '',
    'val/b/1.png': 'no picture',
  })
})
afterAll(removeFolders)

const epochOf = async (options: ImageFolderOptions) => {
  const skipped: string[] = []
  const { train, test: held } = await imageFolder(root, { size: 24, onSkip: (path) => skipped.push(path), ...options })
  const batches = [
    ...(await all(train.batches({ batch: 7, epoch: 2, seed: 5 }))),
    ...(await all(held.batches({ batch: 2, epoch: 0 }))),
  ]
  return { batches, skipped }
}

test('pictures, labels and reports of damaged files do not depend on their number', async () => {
  const alone = await epochOf({ workers: 0, concurrency: 1, prefetch: 1 })
  expect(alone.batches.length).toBe(6)
  expect(alone.skipped.length).toBe(2)
  const run = vi.spyOn(jobs, 'doJob')
  for (const [workers, concurrency, prefetch] of [
    [1, 1, 1],
    [1, 4, 3],
    [2, 2, 2],
    [3, 8, 5],
  ] as const)
    expect(await epochOf({ workers, concurrency, prefetch })).toEqual(alone)
  // All work was done in threads.
  expect(run).not.toHaveBeenCalled()
  run.mockRestore()
})

/** The nice values of the threads of this process, from proc(5): the 19th field of `stat`. Spaces in the second field are in parentheses. */
const nicenessOfThreads = async (): Promise<readonly number[]> => {
  const threads = await readdir('/proc/self/task')
  const texts = await Promise.all(threads.map((id) => readFile(`/proc/self/task/${id}/stat`, 'utf8').catch(() => '')))
  return texts.filter((text) => text !== '').map((text) => Number(text.slice(text.lastIndexOf(')') + 2).split(' ')[16]))
}

// Other systems have priorities only for whole processes, which effuse leaves as they are.
test.runIf(process.platform === 'linux')('their priority is below that of training steps', async () => {
  const priority = getPriority()
  const isLower = (nice: number): boolean => nice === Math.min(19, priority + 5)
  const before = (await nicenessOfThreads()).filter(isLower).length
  const stream = jobStream(2, 7)
  await Promise.all(Array.from({ length: 8 }, (_, n) => stream.run(jobFor(`train/a/${2 * n}.png`))))
  stream.leave()
  expect((await nicenessOfThreads()).filter(isLower).length - before).toBe(2)
  expect(getPriority()).toBe(priority)
})

test('prefetched pictures are ready after the calling thread was busy', async () => {
  const { train } = await imageFolder(root, { size: 24, workers: 1, prefetch: 3 })
  const batches = train.batches({ batch: 5, epoch: 0 })
  await batches.next()
  const until = performance.now() + 1500
  while (performance.now() < until) Math.sqrt(until)
  // The results have arrived, although this thread did not yield to the event loop.
  const start = performance.now()
  await batches.next()
  await batches.next()
  expect(performance.now() - start).toBeLessThan(700)
  await batches.return(undefined)
})

const jobFor = (name: string): jobs.PictureJob => ({
  ...{
    path: join(root, name),
    size: [8, 8],
    channels: 3,
    filter: 'triangle',
    crop: 'box',
    cropArea: undefined,
    flip: true,
  },
  at: { seed: 1, epoch: 2, row: 3 },
  reading: { colors: 'stored', maxPixels: 1e6, maxBytes: 1e6, timeLimit: 60 },
  isSound: false,
})

test('a stopped stream starts no more work, and another stream continues', async () => {
  const [left, kept] = [jobStream(1, 1), jobStream(1, 1)]
  const job = jobFor('train/a/0.png')
  const results = Array.from({ length: 40 }, () => left.run(job))
  const other = kept.run(job)
  left.leave()
  const found = await Promise.allSettled(results)
  expect(found.filter(({ status }) => status === 'rejected').length).toBeGreaterThan(20)
  expect(await other).toEqual(await jobs.doJob(job))
})

test('an abandoned picture does not count as damaged in the next epoch', async () => {
  const skipped: string[] = []
  const options = { size: 24, onSkip: (path: string) => skipped.push(path) }
  const { train } = await imageFolder(root, { ...options, workers: 1, concurrency: 1, prefetch: 4 })
  for await (const _ of train.batches({ batch: 6, epoch: 0 })) break
  const { train: alone } = await imageFolder(root, { ...options, workers: 0 })
  const request = { batch: 7, epoch: 1, seed: 3 }
  expect(await all(train.batches(request))).toEqual(await all(alone.batches(request)))
  for (const path of skipped) expect(path).toMatch(/30\.png$/)
})

test('an error that is not caused by a file keeps its code and hint', async () => {
  const stream = jobStream(1, 2)
  const wrong = { ...jobFor('train/a/0.png'), size: [-1, 8] as const }
  await expect(stream.run(wrong)).rejects.toThrow(/length|size|Invalid/i)
  await expect(stream.run(jobFor('train/a/30.png'))).resolves.toEqual({
    damage: expect.stringContaining('looks like text'),
  })
})

describe('a thread that cannot start, or ends', () => {
  test.each([
    ['has no program', null],
    ['fails at once', 'throw new Error("no")'],
    [
      'ends at the first job',
      "import { parentPort } from 'node:worker_threads'; parentPort.on('message', () => process.exit(3))",
    ],
  ])('%s: the work is still done', async (_, program) => {
    const path = join(root, `worker-${Math.abs(program?.length ?? 0)}.mjs`)
    if (program !== null) await writeFile(path, program)
    const found = vi.spyOn(place, 'workerUrl').mockReturnValue(program === null ? null : pathToFileURL(path))
    // A number of threads that no pool has used yet.
    const stream = jobStream(2, 50 + (program?.length ?? 0))
    const job = jobFor('train/b/1.png')
    const expected = await jobs.doJob(job)
    const here = vi.spyOn(jobs, 'doJob')
    expect(await Promise.all(Array.from({ length: 9 }, () => stream.run(job)))).toEqual(Array(9).fill(expected))
    if (program !== null) expect(here).toHaveBeenCalledTimes(9)
    for (const mock of [found, here]) mock.mockRestore()
  })
})
