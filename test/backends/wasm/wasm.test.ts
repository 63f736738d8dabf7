/** The backend wasm against the reference: op by op, and on random graphs with broadcasts and updates. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Backend } from '../../../src/backends/backend.ts'
import { createWasmBackend } from '../../../src/backends/wasm/index.ts'
import { conformance } from '../../../src/testing/index.ts'
import { expectRandomGraphs } from '../../support/random-graphs.ts'

describe.each([1, 3])('on %i threads', (threads) => {
  let backend: Backend
  beforeAll(async () => {
    backend = await createWasmBackend({ threads })
  })
  afterAll(() => backend.dispose())

  test('conforms to the reference in every op', async () => {
    const report = await conformance(backend, { runs: threads === 1 ? 3 : 1 })
    expect(report.failures).toEqual([])
    expect(report.exclusions).toEqual([])
    expect(report.cases).toBeGreaterThan(threads === 1 ? 500 : 100)
  }, 300_000)

  test('runs random graphs as the reference does, including updates', async () => {
    await expectRandomGraphs(backend, 40)
  }, 120_000)
})
