/** Judging a law: both sides have the same rights, and each may differ by the rounding errors of its own terms. */
import { describe, expect, test } from 'vitest'
import type { Backend } from '../../src/backends/backend.ts'
import { referenceBackend } from '../../src/backends/reference/index.ts'
import { parse } from '../../src/ir/parse.ts'
import { trialOf, type Trial } from '../../src/testing/trial.ts'
import { judgeLaw } from '../../src/testing/verify/laws.ts'
import { wrongBackend } from './wrong-backends.ts'

const inputs = ['x', 'large', 'opposite'].map((name) => `%${name} = input() {name="${name}"} : float32[2]`).join('\n')

/** x on one side, x + large + opposite on the other. The inputs `large` and `opposite` cancel. */
const trial = (short: 'left' | 'right', x: number, large: number): Trial =>
  trialOf(
    'add',
    parse(`graph law {
      ${inputs}
      %sum = add(%x, %large) : float32[2]
      %long = add(%sum, %opposite) : float32[2]
      return ${short} = %x, ${short === 'left' ? 'right' : 'left'} = %long
    }`),
    { x: [x, 1], large: [large, 2], opposite: [-large, -2] },
  )
const judged = (short: 'left' | 'right', x: number, large: number, backend: Backend = referenceBackend()) =>
  judgeLaw(backend, trial(short, x, large), false)

describe('judgeLaw', () => {
  test('accepts the rounding errors of the terms that cancel, on either side', async () => {
    // Near 2^20 the distance between numbers of float32 is 1/8, so 1 + 1/32 becomes 1. The error is more than 100000 times that of a term of size 1.
    const [left, right] = [await judged('left', 1 + 1 / 32, 2 ** 20), await judged('right', 1 + 1 / 32, 2 ** 20)]
    expect(left.error).toBe(1 / 32)
    expect(left.isAccepted).toBe(true)
    expect(right).toEqual(left)
  })

  test('rejects a larger error, on either side', async () => {
    const wrong = wrongBackend('add', (b, y) => b.add(y, 1))
    const [left, right] = [await judged('left', 1, 2 ** 20, wrong), await judged('right', 1, 2 ** 20, wrong)]
    expect(left.isAccepted).toBe(false)
    expect(right).toEqual(left)
  })

  test.each([
    ['left', 'right'],
    ['right', 'left'],
  ])('the large terms of an exact side, the %s one, do not excuse the other', async (exact, other) => {
    const law = parse(`graph law {
      ${inputs}
      %exact = maximum(%x, %opposite) : float32[2]
      %sum = add(%x, %large) : float32[2]
      return ${exact} = %exact, ${other} = %sum
    }`)
    const fed = { x: [1, 2], large: [0, 0], opposite: [-(2 ** 40), -(2 ** 40)] }
    const right = await judgeLaw(referenceBackend(), trialOf('add', law, fed), false)
    expect(right).toMatchObject({ isAccepted: true, error: 0 })
    const wrong = await judgeLaw(
      wrongBackend('add', (b, y) => b.add(y, 1)),
      trialOf('add', law, fed),
      false,
    )
    expect(wrong).toMatchObject({ isAccepted: false, error: 1 })
  })

  test.each(['left', 'right'] as const)('does not judge sums that may overflow beside %s', async (short) => {
    const huge = 3.4e38
    const found = await judged(short, huge, huge)
    expect(found).toMatchObject({ isAccepted: true, error: 0 })
  })
})
