/** Values that are freed in slices are freed once each, and at the latest when more values come. */
import { expect, test } from 'vitest'
import { freeInSlices } from '../../../src/backends/tensorflow/free-in-slices.ts'

const range = (from: number, to: number): readonly number[] => Array.from({ length: to - from }, (_, i) => from + i)
const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

test('few values are freed at once', () => {
  const freed: number[] = []
  freeInSlices<number>((value) => freed.push(value))(range(0, 10))
  expect(freed).toEqual(range(0, 10))
})

test('many values are freed in several slices, each once and in order', async () => {
  const freed: number[] = []
  const slow = (value: number): void => {
    freed.push(value)
    for (const end = performance.now() + 0.05; performance.now() < end; );
  }
  freeInSlices<number>(slow)(range(0, 200))
  expect(freed).toEqual([])
  let slices = 0
  for (let before = -1; freed.length < 200; before = freed.length) {
    await nextTurn()
    if (freed.length > before) slices++
  }
  expect(slices).toBeGreaterThan(3)
  expect(freed).toEqual(range(0, 200))
})

test.each([10, 100])(
  '%i more values free the waiting ones first, also if the event loop does not run',
  async (more) => {
    const freed: number[] = []
    const freeAll = freeInSlices<number>((value) => freed.push(value))
    freeAll(range(0, 100))
    freeAll(range(100, 100 + more))
    expect(freed).toEqual(range(0, more === 10 ? 110 : 100))
    freeAll(range(100 + more, 200 + more))
    expect(freed).toEqual(range(0, 100 + more))
    for (let turn = 0; turn < 10; turn++) await nextTurn()
    expect(freed).toEqual(range(0, 200 + more))
  },
)
