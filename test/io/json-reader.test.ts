import fc from 'fast-check'
import { expect, test } from 'vitest'
import { JsonError, type JsonValue, readJson } from '../../src/io/json-reader.ts'

/** Converts to the result of JSON.parse: objects without prototype, numbers as numbers. */
const plain = (value: JsonValue): unknown => {
  if (value instanceof Map) {
    const out: { [key: string]: unknown } = Object.create(null)
    for (const [key, item] of value as ReadonlyMap<string, JsonValue>) out[key] = plain(item)
    return out
  }
  if (Array.isArray(value)) return (value as readonly JsonValue[]).map(plain)
  return typeof value === 'object' && value !== null && 'literal' in value ? Number(value.literal) : value
}

test('reads what JSON.stringify writes, with any white space', () => {
  const anyText = fc.string({ unit: 'binary' })
  fc.assert(
    fc.property(
      fc.jsonValue({ maxDepth: 6, stringUnit: 'binary' }),
      fc.constantFrom('', ' ', '\n\t'),
      anyText,
      (value, indent, key) => {
        const text = JSON.stringify({ [key]: value }, null, indent)
        expect(JSON.stringify(plain(readJson(` ${text}\r\n`)))).toBe(JSON.stringify(JSON.parse(text)))
      },
    ),
  )
})

test('rejects everything that JSON.parse rejects', () => {
  const pieces = [
    '{',
    '}',
    '[',
    ']',
    ',',
    ':',
    '"',
    '"a"',
    '\\',
    '\\u00',
    '0',
    '-',
    '1.',
    'e+5',
    '.5',
    '01',
    'true',
    'nul',
    ' ',
    '\n',
    '\u00a0',
    '\0',
  ]
  let accepted = 0
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...pieces), { maxLength: 8 }), (list) => {
      const text = list.join('')
      let value: JsonValue
      try {
        value = readJson(text)
      } catch (error) {
        if (!(error instanceof JsonError)) throw error
        expect(error.at).toBeLessThanOrEqual(text.length)
        return
      }
      accepted++
      expect(plain(value)).toEqual(JSON.parse(text))
    }),
    { numRuns: 5000 },
  )
  expect(accepted).toBeGreaterThan(50)
})

test('numbers keep their notation', () => {
  expect(readJson('[1e3, 0.99999999999999999999, -0]')).toEqual([
    { literal: '1e3' },
    { literal: '0.99999999999999999999' },
    { literal: '-0' },
  ])
})
