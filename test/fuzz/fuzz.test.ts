/** Readers of untrusted input: stored cases of fixed faults, and 2,000 random cases each. `npm run fuzz` runs more. */
import { basename } from 'node:path'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { EffuseError } from '../../src/ir/diagnostics.ts'
import { fuzz, replay } from './fuzz.ts'
import { judge } from './judge.ts'
import { mended } from './kept.ts'
import { targets } from './targets/index.ts'
import { type FuzzTarget, textFile } from './target.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const cases = 2000
const seed = fc.readConfigureGlobal().seed ?? 1

describe.each(targets.map((target) => [target.name, target] as const))('%s', (_name, each) => {
  const target = each as FuzzTarget<unknown> // a target draws and reads its own cases
  test(`${cases} random cases are accepted, or rejected with an EffuseError`, async () => {
    const { failure, accepted, refused } = await fuzz(target, { cases, seed })
    const shown = failure === null ? null : `${failure.message}\n${Buffer.from(failure.bytes).toString('latin1')}`
    expect(shown).toBeNull()
    // Some cases must be valid, and some must fail later than at the first check.
    expect(accepted).toBeGreaterThan(target.acceptedLeast * cases)
    expect(accepted).toBeLessThan(0.9 * cases)
    expect(Object.keys(refused).length).toBeGreaterThan(0)
  })
})

const found = targets.flatMap((target) => mended(root, target).map((kept) => ({ target, ...kept })))
test.each(found.map((kept) => [`${kept.target.name}/${basename(kept.path)}`, kept] as const))(
  'fixed: %s',
  async (_name, { target, bytes }) => {
    expect(await replay(target as FuzzTarget<unknown>, bytes)).toBeNull()
  },
)

describe('the judge', () => {
  const limits = { ms: 100, bytes: 2 ** 20 }
  const held: unknown[] = []
  test.each<[string, () => unknown, RegExp]>([
    ['an error that is none of ours', () => Reflect.get(null as never, 'x'), /^it threw TypeError/],
    ['no error at all', () => Promise.reject('words'), /^it threw no error/],
    [
      'a fault of effuse',
      () => {
        throw new EffuseError({ code: 'EF901', message: 'bug' })
      },
      /^it is called a fault of effuse: bug$/,
    ],
    [
      'slow work',
      () => {
        const start = process.cpuUsage()
        while (process.cpuUsage(start).user < 150_000);
      },
      /^it took \d{3,} ms, at most 100$/,
    ],
    ['much memory', () => held.push(new Float64Array(2 ** 20)), /^it took \d+ MiB of memory, for a case of 10 bytes$/],
    [
      'a prototype that changed',
      () => Object.defineProperty(Object.prototype, 'polluted', { value: 1, configurable: true }),
      /^it changed a prototype: /,
    ],
  ])('sees %s', async (_name, attempt, message) => {
    await expect(judge(attempt, 10, limits)).rejects.toThrow(message)
    Reflect.deleteProperty(Object.prototype, 'polluted')
    held.length = 0
  })

  test('accepts a result and an EffuseError, and a failure is shrunk', async () => {
    expect(await judge(() => 1, 10, limits)).toBeNull()
    const refuse = (): never => {
      throw new EffuseError({ code: 'EF201', message: 'no' })
    }
    expect(await judge(refuse, 10, limits)).toBe('EF201')
    const target: FuzzTarget<string> = {
      ...{ name: 'letters', summary: 'letters', file: textFile, acceptedLeast: 0 },
      cases: fc.string({ minLength: 1 }),
      attempt: (text) => {
        if (text.includes('z')) throw new TypeError('z')
      },
    }
    const { failure } = await fuzz(target, { cases: 5000, seed: 1 })
    expect(new TextDecoder().decode(failure?.bytes)).toMatch(/^.?z.?$/)
  })
})
