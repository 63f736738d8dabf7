/** The output of confusion matrices: a table if it fits, or the most frequent confusions; and the page. */
import { expect, test } from 'vitest'
import { confusionLines } from '../../src/cli/confusion.ts'
import { confusionPage } from '../../src/inspect/confusion.ts'

test('few classes: the whole matrix', () => {
  const counts = Int32Array.of(12, 0, 3, 5)
  expect(confusionLines({ classes: ['cat', 'dog'], counts }).split('\n')).toEqual([
    'class, predicted as  cat  dog',
    'cat                   12    0',
    'dog                    3    5',
  ])
})

test('many classes: at most ten pairs, the most frequent first, and how many more there are', () => {
  const classes = Array.from({ length: 40 }, (_, i) => `class ${i}`)
  const counts = new Int32Array(1600)
  for (let i = 0; i < 13; i++) {
    counts[i * 40 + i] = 10
    counts[i * 40 + i + 1] = i + 1
  }
  const lines = confusionLines({ classes, counts }).split('\n')
  expect(lines).toHaveLength(12)
  expect(lines[1]).toMatch(/^class 12 +class 13 +13 +56\.5$/)
  expect(lines[10]).toMatch(/^class 3 +class 4 +4 +28\.6$/)
  expect(lines[11]).toBe('and 3 more pairs')
})

test('few classes with long names: pairs instead of the matrix', () => {
  const classes = ['a', 'b', 'c'].map((letter) => letter.repeat(60))
  expect(confusionLines({ classes, counts: Int32Array.of(1, 0, 0, 0, 1, 0, 0, 0, 1) })).toBe(
    'no class was predicted as another',
  )
})

test('names cannot break the table or the page', () => {
  const classes = ['<script>alert(1)</script>', 'a\nb']
  const counts = Int32Array.of(1, 2, 3, 4)
  const html = confusionPage('weights & data', { classes, counts })
  expect(html).not.toContain('<script')
  expect(html).toContain('weights &amp; data')
  expect(html).not.toMatch(/(src|href)=/)
  expect(html).toContain('5 of 10 right')
  expect(confusionLines({ classes, counts })).toContain('a\\u000ab')
})
