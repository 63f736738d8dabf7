import { expect, test } from 'vitest'
import { listed } from '../../src/ir/listed.ts'
import { didYouMean } from '../../src/ir/words.ts'

test('a list has at most ten lines; the last gives the number of the others', () => {
  const lines = (n: number): readonly string[] => Array.from({ length: n }, (_, i) => `line ${i}`)
  expect(listed([])).toBe('')
  expect(listed(lines(2))).toBe('\n  line 0\n  line 1')
  for (const n of [9, 10, 11, 300]) expect(listed(lines(n)).trim().split('\n').length).toBe(Math.min(n, 10))
  expect(listed(lines(10))).not.toContain('more')
  expect(listed(lines(11))).toMatch(/line 8\n {2}and 2 more$/)
})

test.each([
  ['simplfy', ['dce', 'simplify'], 'did you mean "simplify"?'],
  ['Backend', ['backend', 'batch'], 'did you mean "backend"?'],
  ['b9', ['b0', 'b1', 'lite0'], 'did you mean "b0"?'],
  ['mobilenet', ['b0', 'b1', 'lite0'], undefined],
  ['trian', ['train', 'bench'], 'did you mean "train"?'],
  ['lad', ['add', 'lda'], 'did you mean "lda"?'],
  ['x', ['image', 'label'], undefined],
  ['anything', [], undefined],
])('%s among %j', (word, known, hint) => expect(didYouMean(word, known)).toBe(hint))

test('words of any length are compared quickly', () => {
  const start = process.cpuUsage()
  expect(didYouMean('a'.repeat(1e7), ['backend', 'a'.repeat(1e7)])).toBeUndefined()
  expect(process.cpuUsage(start).user).toBeLessThan(1e6)
})
