/** Work ahead of the consumer: order, limits, failures, and no remaining work after the consumer stops. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { inOrder } from '../../src/data/in-order.ts'

/** Tasks that settle on request, or after `turns` turns of the event loop. It records the running tasks and their maximum. */
const makeTasks = (turnsOf: (index: number) => number, fails: (index: number) => boolean = () => false) => {
  const seen = { begun: 0, atWork: 0, most: 0, done: 0 }
  const task = async (index: number): Promise<number> => {
    seen.begun++
    seen.most = Math.max(seen.most, ++seen.atWork)
    for (let turn = 0; turn < turnsOf(index); turn++) await new Promise((resolve) => setImmediate(resolve))
    seen.atWork--
    seen.done++
    if (fails(index)) throw new Error(`task ${index}`)
    return index
  }
  return { seen, task }
}
const turns = (count: number): Promise<void> =>
  makeTasks(() => count)
    .task(0)
    .then(() => undefined)

test('results are in order, whichever job ends first; limits on concurrency and prefetch hold', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.nat(4), { maxLength: 30 }),
      fc.integer({ min: 1, max: 9 }),
      fc.integer({ min: 1, max: 12 }),
      fc.nat(5),
      async (turnsOf, concurrency, ahead, start) => {
        const { seen, task } = makeTasks((i) => turnsOf[i] ?? 0)
        const taken: number[] = []
        for await (const index of inOrder([start, turnsOf.length], task, { concurrency, ahead })) {
          taken.push(index)
          // Started: the results taken, including the last one, and at most `ahead` more.
          expect(seen.begun - taken.length).toBeLessThanOrEqual(ahead)
          await turns(turnsOf[index] ?? 0)
          expect(seen.begun - taken.length).toBeLessThanOrEqual(ahead)
        }
        expect(taken).toEqual(turnsOf.map((_, i) => i).slice(start))
        expect(seen.most).toBeLessThanOrEqual(concurrency)
      },
    ),
  )
})

test('prefetches while the consumer is busy, up to the limit', async () => {
  const { seen, task } = makeTasks(() => 1)
  const results = inOrder([0, 100], task, { concurrency: 3, ahead: 5 })
  await turns(5)
  expect(seen.begun).toBe(0) // nothing starts before the first request
  await results.next()
  await turns(20)
  expect([seen.begun, seen.most]).toEqual([6, 3])
  await results.next()
  await turns(20)
  expect(seen.begun).toBe(7)
  await results.return()
})

test('a failure is thrown at its position, and ends the work', async () => {
  const { seen, task } = makeTasks(
    (i) => 5 - i,
    (i) => i === 2 || i === 3,
  )
  const taken: number[] = []
  const run = async () => {
    for await (const index of inOrder([0, 50], task, { concurrency: 4, ahead: 4 })) taken.push(index)
  }
  await expect(run()).rejects.toThrow('task 2')
  expect(taken).toEqual([0, 1])
  const { begun } = seen
  expect(seen.atWork).toBe(0)
  await turns(10)
  expect(seen.begun).toBe(begun)
})

test('after break it starts no job, waits for running jobs, and handles their failures', async () => {
  const unhandled: unknown[] = []
  const note = (reason: unknown): void => void unhandled.push(reason)
  process.on('unhandledRejection', note)
  const { seen, task } = makeTasks(
    (i) => i,
    (i) => i > 0,
  )
  for await (const _ of inOrder([0, 50], task, { concurrency: 4, ahead: 8 })) break
  expect(seen.atWork).toBe(0)
  const { begun } = seen
  await turns(20)
  expect(seen.begun).toBe(begun)
  process.off('unhandledRejection', note)
  expect(unhandled).toEqual([])
})

test("an abort rejects the consumer's current or next request, and ends the work", async () => {
  for (const isWaiting of [true, false]) {
    const { seen, task } = makeTasks(() => 3)
    const abort = new AbortController()
    const results = inOrder([0, 50], task, { concurrency: 2, ahead: 4, signal: abort.signal })
    await results.next()
    if (!isWaiting) await turns(20)
    const next = isWaiting ? results.next() : null
    abort.abort(new Error('enough'))
    await expect(next ?? results.next()).rejects.toThrow('enough')
    const { begun } = seen
    expect(seen.atWork).toBe(0)
    await turns(20)
    expect(seen.begun).toBe(begun)
    expect(await results.next()).toEqual({ done: true, value: undefined })
  }
  const early = inOrder([0, 5], makeTasks(() => 0).task, {
    concurrency: 1,
    ahead: 1,
    signal: AbortSignal.abort(new Error('before')),
  })
  await expect(early.next()).rejects.toThrow('before')
})
