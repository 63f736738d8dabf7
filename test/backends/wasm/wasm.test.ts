/** The backend wasm against the reference: op by op, and on random graphs with broadcasts and updates. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Backend } from '../../../src/backends/backend.ts'
import { createWasmBackend, type WasmOptions } from '../../../src/backends/wasm/index.ts'
import { parse } from '../../../src/ir/parse.ts'
import { runnableOf } from '../../support/one-graph.ts'
import { testOps } from '../../support/op-conformance.ts'
import { expectRandomGraphs } from '../../support/random-graphs.ts'

describe.each([1, 3])('on %i threads', (threads) => {
  let backend: Backend
  beforeAll(async () => {
    backend = await createWasmBackend({ threads })
  })
  afterAll(() => backend.dispose())

  testOps('conforms to the reference', () => backend, { runs: threads === 1 ? 3 : 1, refused: [] })

  test('runs random graphs as the reference does, including updates', async () => {
    await expectRandomGraphs(backend, 40)
  }, 300_000)
})

describe('relaxedSimd', () => {
  const productOf = async (
    options: WasmOptions,
    [rows, terms, columns]: readonly [number, number, number],
    [x, w]: readonly [readonly number[], readonly number[]],
  ) => {
    const backend = await createWasmBackend(options)
    const g = parse(`graph g {
      %x = input() {name="x"} : float32[${rows},${terms}]
      %w = input() {name="w"} : float32[${terms},${columns}]
      %m = matmul(%x, %w) : float32[${rows},${columns}]
      %y = silu(%m) : float32[${rows},${columns}]
      return m = %m, y = %y
    }`)
    const { run, dispose } = await runnableOf(backend, g, new Map())
    const { m, y } = await run({ x, w })
    dispose()
    backend.dispose()
    return { m: Array.from(m ?? []), y: Array.from(y ?? []), fingerprint: backend.fingerprint }
  }
  /** With a = 1 + 2^-12, -(a^2 rounded to float32) + a^2 is 0 if the product is rounded before it is added, and 2^-24 if it is not. */
  const a = 1 + 2 ** -12
  const remainder = [
    [-(1 + 2 ** -11), a],
    [1, 1, 1, 1, a, a, a, a],
  ] as const

  test('false rounds each product', async () => {
    const { m, fingerprint } = await productOf({ threads: 1, relaxedSimd: false }, [1, 2, 4], remainder)
    expect(m).toEqual([0, 0, 0, 0])
    expect(fingerprint).toBe('wasm, SIMD, 1 thread')
  })

  test("'auto' rounds once where the machine can; all versions of Node that run these tests have relaxed SIMD", async () => {
    const { m, fingerprint } = await productOf({ threads: 1 }, [1, 2, 4], remainder)
    expect([0, 2 ** -24]).toContain(m[0])
    expect(fingerprint).toBe('wasm, relaxed SIMD, 1 thread')
  })

  test('gives the same bits on any number of threads', async () => {
    const sizes = [301, 19, 27] as const
    const numbers = (length: number) => Array.from({ length }, (_, i) => Math.sin(i * i + 1))
    const operands = [numbers(sizes[0] * sizes[1]), numbers(sizes[1] * sizes[2])] as const
    const alone = await productOf({ threads: 1 }, sizes, operands)
    const together = await productOf({ threads: 3 }, sizes, operands)
    expect(together.m).toEqual(alone.m)
    expect(together.y).toEqual(alone.y)
  })
})
