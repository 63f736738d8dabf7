/** The place of a syntax error in JSON. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { jsonFault } from '../../src/recipes/json-fault.ts'

test.each([
  ['', '1:1: expected a value, found the end of the text'],
  ['{"a": 1,}', '1:9: expected a name in double quotes, found "}"'],
  ['{"a": 1\n "b": 2}', '2:2: expected "," or "}", found "\\""'],
  ['{"a" 1}', '1:6: expected ":", found "1"'],
  ["{'a': 1}", `1:2: expected a name in double quotes, found "'"`],
  ['[1, 2', '1:6: expected "," or "]", found the end of the text'],
  ['{\n  "a": 01\n}', '2:8: expected a value, found "01"'],
  ['{"a": "b\nc"}', '1:7: expected a text that ends on its line, with valid escapes, found "\\""'],
  ['1 2', '1:3: expected the end, found "2"'],
])('%j: %s', (text, fault) => expect(jsonFault(text)).toBe(fault))

test('long and deep texts work', () => {
  const [long, deep] = ['a'.repeat(2e7), '['.repeat(1e5)]
  expect(jsonFault(`{"a": "${long}"`)).toMatch(/^1:2\d+: expected "," or "}", found the end of the text$/)
  expect(jsonFault(`{"a": "${long}`)).toMatch(/^1:7: expected a text that ends on its line/)
  expect(jsonFault(`{"a": ${long}`)).toBe(`1:7: expected a value, found "${'a'.repeat(60)}"`)
  expect(jsonFault(deep)).toBe('1:502: expected at most 500 nested brackets, found "["')
})

test('reports a fault exactly if JSON.parse() does', () => {
  const broken = fc
    .tuple(
      fc.json(),
      fc.nat(),
      fc.nat(3),
      fc.constantFrom('', ',', '"', '}', '[', 'x', '\\', '0', '\n', '-', '\u0000', '\u007f'),
    )
    .map(
      ([text, at, cut, put]) =>
        text.slice(0, at % (text.length + 1)) + put + text.slice((at % (text.length + 1)) + cut),
    )
  fc.assert(
    fc.property(broken, (text) => {
      let isJson = true
      try {
        JSON.parse(text)
      } catch {
        isJson = false
      }
      expect(jsonFault(text) === null).toBe(isJson)
    }),
    { numRuns: 2000 },
  )
})
