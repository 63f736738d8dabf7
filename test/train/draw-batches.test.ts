/** The batches of a source: a source is closed exactly if it stopped before its end, and an abort does not wait for it. */
import { expect, test } from 'vitest'
import { drawBatches } from '../../src/train/draw-batches.ts'
import type { Batch, DataSource } from '../../src/train/source.ts'

const rows = [0, 1, 2].map(
  (label) => ({ image: Float32Array.of(label), label: Int32Array.of(label) }) as unknown as Batch,
)

/** A source that records what is called, and whose `next` number `hangsAt` never ends. */
const recorded = (hangsAt = Infinity) => {
  const calls: string[] = []
  let at = 0
  const batches = (): AsyncIterable<Batch> => ({
    [Symbol.asyncIterator]: () => ({
      next: () => {
        calls.push('next')
        if (at === hangsAt) return new Promise(() => {})
        const value = rows[at++]
        return Promise.resolve(value === undefined ? { done: true, value } : { done: false, value })
      },
      return: () => {
        calls.push('return')
        return Promise.resolve({ done: true, value: undefined })
      },
    }),
  })
  return { source: { classes: ['a'], length: 3, batches } as unknown as DataSource, calls }
}
const request = { batch: 1, epoch: 0, seed: 0 }

test('a source that ends is not closed', async () => {
  const { source, calls } = recorded()
  const drawn: Batch[] = []
  for await (const batch of drawBatches(source, request)) drawn.push(batch)
  expect(drawn).toEqual(rows)
  expect(calls).toEqual(['next', 'next', 'next', 'next'])
})

test('a source is closed if its reader stops early', async () => {
  const { source, calls } = recorded()
  for await (const batch of drawBatches(source, request)) if (batch === rows[1]) break
  expect(calls).toEqual(['next', 'next', 'return'])
})

test('a source that hangs is closed when the run aborts, without a wait', async () => {
  const { source, calls } = recorded(1)
  const abort = new AbortController()
  const drawn: Batch[] = []
  setTimeout(() => abort.abort(), 10)
  for await (const batch of drawBatches(source, { ...request, signal: abort.signal })) drawn.push(batch)
  expect(drawn).toEqual(rows.slice(0, 1))
  expect(calls).toEqual(['next', 'next', 'return'])
})

test('a source that fails is not closed, and its error is passed on', async () => {
  const calls: string[] = []
  const batches = (): Iterable<Batch> => ({
    [Symbol.iterator]: () => ({
      next: () => {
        throw new RangeError('no more disk')
      },
      return: () => {
        calls.push('return')
        return { done: true, value: undefined }
      },
    }),
  })
  const drawn = drawBatches({ classes: [], length: 1, batches } as unknown as DataSource, request)
  await expect(drawn.next()).rejects.toThrow('no more disk')
  expect(calls).toEqual([])
})

test.each([[null], [undefined], [3], [Promise.resolve([])]])('batches() must not give %s', async (given) => {
  const drawn = drawBatches({ classes: [], length: 1, batches: () => given } as unknown as DataSource, request)
  await expect(drawn.next()).rejects.toMatchObject({ code: 'EF701' })
})
