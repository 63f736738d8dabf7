import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { goldenHash, goldenImage, goldenVariable } from '../support/golden-weights.ts'

interface Sample {
  readonly shape: readonly number[]
  readonly first: readonly number[]
  readonly last: readonly number[]
  readonly sum: number
}
interface Generator {
  readonly hashes: readonly (readonly [name: string, index: number, hash: number])[]
  readonly variables: readonly (Sample & { readonly name: string })[]
  readonly images: readonly (Sample & { readonly shape: readonly [number, number, number, number] })[]
}

// Printed by the Python program that made the goldens.
const python: Generator = JSON.parse(readFileSync(new URL('./efficientnet/generator.json', import.meta.url), 'utf8'))

const expectSample = (values: Float32Array, { shape, first, last, sum }: Sample): void => {
  expect(values.length).toBe(shape.reduce((a, b) => a * b, 1))
  expect([...values.subarray(0, first.length)]).toEqual(first)
  expect([...values.subarray(values.length - last.length)]).toEqual(last)
  // Only the order of additions differs.
  expect(Math.abs(values.reduce((a, b) => a + b, 0) - sum)).toBeLessThan(1e-9 * values.length)
}

test('the hash equals the hash in Python, also for empty and non-ASCII names and the largest index', () => {
  expect(python.hashes.length).toBeGreaterThan(0)
  for (const [name, index, hash] of python.hashes) expect(goldenHash(name, index)).toBe(hash)
})

test('every kind of variable has the same bits as in Python', () => {
  expect(python.variables.length).toBeGreaterThan(10)
  for (const sample of python.variables) expectSample(goldenVariable(sample.name, sample.shape), sample)
})

test('pictures have the same values as in Python, integers from 0 to 255', () => {
  for (const sample of python.images) {
    const values = goldenImage(sample.shape)
    expectSample(values, sample)
    expect(values.every((x) => Number.isInteger(x) && x >= 0 && x <= 255)).toBe(true)
  }
})

test('a name of an unknown kind is rejected', () => {
  expect(() => goldenVariable('stem/conv/gamma', [3])).toThrow('stem/conv/gamma')
})
