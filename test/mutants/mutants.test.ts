/** Checks that the mutants fit the sources, and that the operators work. `npm run mutants` checks whether the tests kill the mutants. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { batchesOf } from './batches.ts'
import { mutantsByHand } from './by-hand/index.ts'
import { drawnFolders, mutantsIn } from './choose.ts'
import { equivalents } from './equivalents.ts'
import { apply, recording, sitesIn } from './mechanical.ts'
import { mutated } from './mutant.ts'
import { testsFor } from './tests-for.ts'
import { copyTree } from './tree.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const isThere = (file: string): boolean => existsSync(`${root}${file}`)

describe('by hand', () => {
  test('there are at least sixty, with unique names', () => {
    expect(mutantsByHand.length).toBeGreaterThanOrEqual(60)
    expect(new Set(mutantsByHand.map(({ name }) => name)).size).toBe(mutantsByHand.length)
  })

  test.each(mutantsByHand.map((mutant) => [mutant.name, mutant] as const))('%s', (_name, mutant) => {
    const text = readFileSync(`${root}${mutant.file}`, 'utf8')
    expect(mutated(text, mutant)).not.toBe(text)
    expect(mutant.tests.filter((file) => !isThere(file))).toEqual([])
  })

  test('a text that is missing or repeated gives an error', () => {
    const mutant = { name: 'one', file: 'a.ts', find: 'x', replace: 'y' }
    expect(() => mutated('a', mutant)).toThrow('"one": its text occurs in a.ts 0 times, not once')
    expect(() => mutated('x x', mutant)).toThrow('2 times')
    expect(mutated('a x b', mutant)).toBe('a y b')
  })
})

describe('by operators', () => {
  const all = (text: string): readonly string[] => sitesIn('a.ts', text).map((site) => apply(text, site))
  test.each([
    ['f(a + b)', ['f(a - b)']],
    ['f(-a)', ['f((a))']],
    ['f(a <= b)', ['f(a < b)']],
    ['if (!a) return\nf()', ['\nf()', 'if ((a)) return\nf()']],
    ['f(a ? b : c)', ['f((c))']],
    ['b.add(x, y)', ['b.sub(x, y)']],
    ['set.add(x)', []],
    ['b.neg(x)', ['x']],
    ['f([0, 7])', ['f([1, 7])', 'f([0, 8])']],
    ["f(x, 'lt', true)", ["f(x, 'le', true)", "f(x, 'lt', false)"]],
    ["[rule('a', x), rule('b', y)]", ["[, rule('b', y)]", "[rule('a', x), ]"]],
    ['const op = { summary: 1, example: 2 + 3 }', []],
    ['throw new Error(text(a + b))', []],
    ["import a from 'same'\ntype T = 1 | 2", []],
  ])('%s', (text, mutants) => expect(all(text)).toEqual(mutants))

  /** Runs the text with marks at all sites. Returns its result, the number of reached sites, and the number of all sites. */
  const reachedBy = (text: string, x: unknown): readonly [result: unknown, reached: number, of: number] => {
    const sites = sitesIn('a.ts', text).map((site, i) => [i, site] as const)
    const effuseReached = new Uint8Array(sites.length)
    const run = new Function('globalThis', 'x', recording(text, sites, sites.length)) as (
      to: object,
      x: unknown,
    ) => unknown
    return [run({ effuseReached }, x), effuseReached.filter(Boolean).length, sites.length]
  }
  test.each([
    ['return x + 1', 2, 3, 2, 2],
    ['return x > 2 ? x * 3 : x - 4', 3, 9, 5, 7],
    ['return x > 2 ? x * 3 : x - 4', 0, -4, 5, 7],
    ['if (x === 1) return 5\nreturn x', 2, 2, 3, 4],
    ['if (x === 1) return 5\nreturn x', 1, 5, 4, 4],
    ['let y = 0\nif (x !== 1) Math.max(y = 7, x)\nreturn y', 2, 7, 5, 5],
    ['let y = 0\nif (x !== 1) Math.max(y = 7, x)\nreturn y', 1, 0, 3, 5],
    ['return { 2: x }[2] ?? x?.some((y) => y < 0)', 5, 5, 1, 5],
  ])('the marks of %j do not change results, and record the reached sites (x = %j)', (text, x, result, reached, of) => {
    expect(reachedBy(text, x)).toEqual([result, reached, of])
  })

  test('every file that they are drawn from has existing tests', () => {
    const files = drawnFolders.flatMap((folder) =>
      readdirSync(`${root}${folder}`, { recursive: true }).flatMap((name) =>
        String(name).endsWith('.ts') ? [`${folder}/${name}`] : [],
      ),
    )
    expect(files.length).toBeGreaterThan(200)
    expect(files.flatMap(testsFor).filter((file) => !isThere(file))).toEqual([])
  })

  test('equivalent mutants exist, each with a proof', () => {
    for (const { name, proof } of equivalents) {
      expect(mutantsIn(root, name.split(': ')[0] ?? '').map((mutant) => mutant.name)).toContain(name)
      expect(proof.length).toBeGreaterThan(20)
    }
  })
})

test.each([
  [[], []],
  [[300], [[300]]],
  [
    [4000, 20, 900, 30],
    [[20, 30, 900], [4000]],
  ],
  [
    [100_000, 9000, 2000, 2000, 2000],
    [[2000, 2000, 2000], [9000], [100_000]],
  ],
])('fast tests run before slow tests: %j', (times, batches) => {
  const tests = times.map((ms) => ({ name: `takes ${ms}`, ms }))
  expect(batchesOf(tests).map((batch) => batch.map(({ ms }) => ms))).toEqual(batches)
})

test('a mutant exists only in a copy of the tree, and only while its tests run', async () => {
  const tree = copyTree(root)
  try {
    const read = (folder: string): string => readFileSync(`${folder}/src/passes/cse.ts`, 'utf8')
    const own = read(root)
    await tree.withText('src/passes/cse.ts', 'mutant', async () => {
      expect([read(tree.root), read(root)]).toEqual(['mutant', own])
    })
    expect(read(tree.root)).toBe(own)
  } finally {
    tree.close()
  }
  expect(existsSync(tree.root)).toBe(false)
})
