/** Each pass on the smallest graph that shows its purpose: test/passes/goldens/*.ir. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { checkGolden } from '../support/ir-goldens.ts'

const folder = new URL('goldens/', import.meta.url).pathname
const files = readdirSync(folder).filter((name) => name.endsWith('.ir'))

test('there are some', () => expect(files.length).toBeGreaterThan(10))
test.each(files)('%s', (name) => {
  const { stored, made } = checkGolden(join(folder, name), process.env)
  expect(made).toBe(stored)
})

describe('goldens', () => {
  const input =
    '// Twice is once.\n// run: simplify\ngraph g {\n  %x = input() {name="x"} : float32[2]\n  return %x\n}\n'
  const right = 'graph g {\n  %0 = input() {name="x"} : float32[2]\n  return %0\n}\n'
  let file = ''
  let temporary = ''
  beforeEach(() => {
    temporary = mkdtempSync(join(tmpdir(), 'effuse-golden-'))
    file = join(temporary, 'a.ir')
  })
  afterEach(() => rmSync(temporary, { recursive: true }))
  const stand = (text: string): void => writeFileSync(file, text)

  test('that differ are shown, and do not change', () => {
    stand(`${input}// ----\nwrong\n`)
    expect(checkGolden(file, {})).toEqual({ stored: 'wrong\n', made: right })
    expect(readFileSync(file, 'utf8')).toBe(`${input}// ----\nwrong\n`)
  })
  test('are written below the rule by UPDATE_GOLDEN=1', () => {
    stand(input)
    checkGolden(file, { UPDATE_GOLDEN: '1' })
    expect(readFileSync(file, 'utf8')).toBe(`${input}// ----\n${right}`)
  })
  test('cannot change in CI, and only there', () => {
    stand(`${input}// ----\nwrong\n`)
    expect(() => checkGolden(file, { UPDATE_GOLDEN: '1', CI: 'true' })).toThrow('would change')
    expect(readFileSync(file, 'utf8')).toBe(`${input}// ----\nwrong\n`)
    stand(`${input}// ----\n${right}`)
    expect(checkGolden(file, { UPDATE_GOLDEN: '1', CI: 'true' }).made).toBe(right)
  })
  test.each(['// run: cse\ngraph', '// Why.\ngraph'])('must say why and what runs: %j', (text) => {
    stand(text)
    expect(() => checkGolden(file, {})).toThrow('must begin with a comment')
  })
})
